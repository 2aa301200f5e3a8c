"""``rendertrust verify``: proofs and receipts, checked without the gateway."""

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from rendertrust.cli import exit_codes, wording
from rendertrust.cli.command import Command
from rendertrust.cli.session import session_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rendertrust.cli.output import Output
    from rendertrust.given import Document
    from rendertrust.note import Verifier
    from rendertrust.receipt_check import Picture
    from rendertrust.verify import Link, OnChain, Shown, Unasked, Verdict, Witness

T = TypeVar("T")
FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
BYTES_MAX = 1 << 20


@click.command(cls=Command)
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option(
    "--checkpoint",
    type=FILE,
    help="One that you kept, or have from somebody else: JSON, or a plain signed note.",
)
@click.option(
    "--key",
    metavar="NAME+ID+KEY",
    help="Whose signature counts on a plain note; else a key that you pinned.",
)
@click.option("--rpc", metavar="URL", help="Ask a node of the chain, which you trust.")
@click.option("--contract", metavar="ADDRESS", help="That holds the gateway's anchors.")
@click.option(
    "--confirmations",
    type=click.IntRange(1, 100_000),
    help="Blocks until an anchor is final, where the node does not say which are: 12, "
    "and 1 on a private chain.",
)
@click.pass_context
def verify(  # noqa: PLR0917 - click passes them all by name
    context: click.Context,
    /,
    files: tuple[Path, ...],
    checkpoint: Path | None,
    key: str | None,
    rpc: str | None,
    contract: str | None,
    confirmations: int | None,
) -> int:
    """Check proofs and receipts without the gateway, step by step.

    FILES are proofs, as `rendertrust ledger proof` writes them; receipts, as `rendertrust jobs
    receipt` does, one of them perhaps with the picture that it is of; and answers of
    /ledger/consistency and /ledger/epochs, which link checkpoints. The exit code is 0 where all
    holds and the checkpoint or the chain vouches for it; 3 where all holds and neither does, as
    one that is not there, a chain that is private, or an anchor that is not final yet; and 1
    otherwise, also where a file is nothing of that kind.
    """
    session = session_of(context)
    check_options(rpc, contract)
    given = Given(files)
    if checkpoint is not None:
        given.witness(checkpoint, keys_of(key))
    elif key is not None:
        raise click.UsageError("--key needs --checkpoint, which it signed")
    if not given.proofs and not given.broken:
        raise click.UsageError("There is no proof among the files")
    given.look_at_pictures()
    found = {} if rpc is None else given.asked(rpc, contract, confirmations)
    verdicts = {**given.broken}
    verdicts |= {str(path): given.checked(path, found.get(path)) for path in given.proofs}
    tell(session.output, verdicts)
    return exit_code(list(verdicts.values()))


def check_options(rpc: str | None, contract: str | None) -> None:
    """UsageError for what cannot be meant."""
    from rendertrust.given import address

    if rpc is not None and not rpc.startswith(("http://", "https://")):
        raise click.UsageError("--rpc is the http(s) address of a node of the chain")
    if contract is not None and rpc is None:
        raise click.UsageError("--contract needs --rpc, which says whom to ask")
    if contract is not None and address(contract) is None:
        raise click.UsageError("--contract is an address: 0x and 40 hexadecimal digits")


def keys_of(text: str | None) -> "Sequence[Verifier]":
    """The key that was given; else those that were pinned. UsageError for what is no key."""
    from rendertrust.cli.pins import pinned_keys
    from rendertrust.note import Verifier, read_verifier

    if text is None:
        return pinned_keys()
    found = read_verifier(text)
    if not isinstance(found, Verifier):
        raise click.UsageError(f"--key: {found.reason}")
    return [found]


class Given:
    """The files: proofs and receipts, and what links checkpoints.

    ``broken``: what is neither, and why. Beside a receipt that is its picture.
    """

    def __init__(self, files: "Sequence[Path]") -> None:
        from rendertrust.verify import read_epochs, read_shown

        self.broken: dict[str, Verdict] = {}
        self.proofs: dict[Path, Document] = {}
        self._picture: Picture | None = None
        self._others: list[Path] = []  # no documents
        self._shown: list[Shown] = []
        self._epochs: list[Link] = []
        for path in files:
            found = self._document(path)
            if found is None:
                self._others.append(path)
                continue
            if "leaf" not in found and "from_size" in found:
                self._shown += self._read(path, read_shown(found))
            elif "leaf" not in found and "epochs" in found:
                self._epochs += [link for of in self._read(path, read_epochs(found)) for link in of]
            else:
                self.proofs[path] = found
        self._witness: Witness | None = None

    def witness(self, path: Path, keys: "Sequence[Verifier]") -> None:
        """The checkpoint that one knows: an answer of the API, or a signed note by such a key."""
        from rendertrust.verify import read_noted, read_witness

        raw = self._raw(path)
        if raw.lstrip()[:1] == b"{":
            kept = self._document(path)
            known = [] if kept is None else self._read(path, read_witness(kept))
        else:
            known = self._read(path, read_noted(raw.decode(errors="replace"), keys))
        self._witness = known[0] if known else None

    def _document(self, path: Path) -> "Document | None":
        from rendertrust.strict_json import read_document

        raw = self._raw(path)
        large = f"it is larger than {BYTES_MAX} bytes"
        found = self._read(path, read_document(raw) if len(raw) <= BYTES_MAX else large)
        return found[0] if found else None

    def _raw(self, path: Path) -> bytes:
        with path.open("rb") as file:
            return file.read(BYTES_MAX + 1)

    def _read(self, path: Path | None, found: "T | str") -> "list[T]":
        """What was read; or nothing, and the file is broken."""
        from rendertrust.verify import Step, Verdict

        if not isinstance(found, str):
            return [found]
        self.broken[str(path)] = Verdict((Step("file", False, found),))
        return []

    def look_at_pictures(self) -> None:
        """Beside one receipt a file that is no document is what it is of. UsageError otherwise."""
        from rendertrust.receipt_check import is_receipt, read_picture

        receipts = [path for path, document in self.proofs.items() if is_receipt(document)]
        if not receipts or not self._others:
            return
        if len(receipts) > 1 or len(self._others) > 1:
            raise click.UsageError("One receipt with one picture at a time")
        [path] = self._others
        self._picture = read_picture(path)
        del self.broken[str(path)]

    def asked(
        self, rpc: str, contract: str | None, confirmations: int | None
    ) -> "dict[Path, OnChain | Unasked]":
        """What the chain says of each proof."""
        import asyncio

        from rendertrust.verify import anchored

        async def ask() -> "dict[Path, OnChain | Unasked]":
            found = {path: _proof_in(document) for path, document in self.proofs.items()}
            return {
                path: await anchored(rpc, proof, contract=contract, confirmations=confirmations)
                for path, proof in found.items()
                if proof is not None
            }

        return asyncio.run(ask())

    def checked(self, path: Path, chain: "OnChain | Unasked | None") -> "Verdict":
        """Every step over one of the proofs, or receipts."""
        from rendertrust.receipt_check import is_receipt, verify_receipt
        from rendertrust.verify import verify as check

        document, known = self.proofs[path], self._witness
        shown, epochs = self._shown, self._epochs
        if not is_receipt(document):
            return check(document, witness=known, shown=shown, epochs=epochs, chain=chain)
        return verify_receipt(
            document,
            picture=self._picture,
            witness=known,
            shown=shown,
            epochs=epochs,
            chain=chain,
        )


def _proof_in(document: "Document") -> object:
    """The proof: the document, or in a receipt's the one inside; None where there is none yet."""
    from rendertrust.receipt_check import is_receipt

    return document.get("proof") if is_receipt(document) else document


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
        output.note(
            "Nothing outside of the gateway vouches for it: "
            "--checkpoint, or --rpc with --contract, name what does."
        )


def exit_code(verdicts: "list[Verdict]") -> int:
    """0, 1 or 3."""
    if not all(verdict.holds for verdict in verdicts):
        return exit_codes.FAILURE
    witnessed = all(verdict.witnessed for verdict in verdicts)
    return exit_codes.OK if witnessed else exit_codes.NOT_WITNESSED
