"""``rendertrust verify``: proofs, checked without the gateway."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rendertrust.cli import exit_codes, wording
from rendertrust.cli.command import Command
from rendertrust.cli.session import session_of

if TYPE_CHECKING:
    from rendertrust.cli.output import Output
    from rendertrust.verify import Shown, Verdict, Witness

FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
BYTES_MAX = 1 << 20


@click.command(cls=Command)
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("--checkpoint", type=FILE, help="One that you kept, or have from somebody else.")
@click.pass_context
def verify(context: click.Context, files: tuple[Path, ...], checkpoint: Path | None) -> int:
    """Check proofs without the gateway, step by step.

    FILES are proofs, as `rendertrust ledger proof` writes them, and answers of
    /ledger/consistency, which link checkpoints of different sizes. The exit code is 0 where all
    holds and the checkpoint vouches for it, 3 where there is none, and 1 otherwise.
    """
    from rendertrust.verify import verify as check

    session = session_of(context)
    witness = None if checkpoint is None else _witness(checkpoint)
    documents = {path: _document(path) for path in files}
    proofs = {path: found for path, found in documents.items() if "from_size" not in found}
    shown = [_shown(path, found) for path, found in documents.items() if path not in proofs]
    if not proofs:
        raise click.UsageError("There is no proof among the files")
    verdicts = {str(p): check(d, witness=witness, shown=shown) for p, d in proofs.items()}
    tell(session.output, verdicts)
    return exit_code(list(verdicts.values()))


def tell(output: "Output", verdicts: "dict[str, Verdict]") -> None:
    """Every step of each."""
    for name, verdict in verdicts.items():
        facts = {"name": name, "holds": verdict.holds, "witnessed": verdict.witnessed}
        output.document({**facts, "steps": verdict.steps})
        output.say(f"{wording.harmless(name)}: {'holds' if verdict.holds else 'DOES NOT HOLD'}")
        for step in verdict.steps:
            mark = "ok" if step.holds else "NO"
            output.say(f"  {mark}  {step.name:<10}  {wording.harmless(step.said)}")
    if all(v.holds for v in verdicts.values()) and not all(v.witnessed for v in verdicts.values()):
        output.note("Nothing outside of the gateway vouches for it: --checkpoint names what does.")


def exit_code(verdicts: "list[Verdict]") -> int:
    """0, 1 or 3."""
    if not all(verdict.holds for verdict in verdicts):
        return exit_codes.FAILURE
    witnessed = all(verdict.witnessed for verdict in verdicts)
    return exit_codes.OK if witnessed else exit_codes.NOT_WITNESSED


def _document(path: Path) -> dict[str, Any]:
    if path.stat().st_size > BYTES_MAX:
        raise click.UsageError(f"{path} is larger than {BYTES_MAX} bytes: that is no proof")
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"{path} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise click.UsageError(f"{path} is no JSON object")
    return found


def _witness(path: Path) -> "Witness":
    from rendertrust.verify import read_witness

    found = read_witness(_document(path))
    if isinstance(found, str):
        raise click.UsageError(f"{path} is no checkpoint: {found}")
    return found


def _shown(path: Path, document: dict[str, Any]) -> "Shown":
    from rendertrust.verify import read_shown

    found = read_shown(document)
    if isinstance(found, str):
        raise click.UsageError(f"{path}: {found}")
    return found
