"""``rendertrust ledger``: proofs that entries are in the log, and that the log only grows."""

from pathlib import Path

import click

from rendertrust.cli import value_text
from rendertrust.cli.command import Group
from rendertrust.cli.output import encoded
from rendertrust.cli.pins import PinFile
from rendertrust.cli.session import CliSession, pass_session
from rendertrust.cli.verify import exit_code, tell

OUTPUT = click.Path(path_type=Path, dir_okay=False)


def as_entry(_: click.Context, __: click.Parameter, text: str) -> str:
    """Return an entry's number or id; raise BadParameter for other texts."""
    from uuid import UUID

    try:
        return text if text.isdecimal() and text.isascii() else str(UUID(text))
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither a number nor an id of an entry") from None


@click.group(cls=Group)
def ledger() -> None:
    """Prove that your credit entries are in the gateway's log, and that the log only grows.

    ENTRY is the number or id of an entry, from `rendertrust credits history --json`.
    """


@ledger.command()
@click.option(
    "--out",
    "--output",
    "out",
    type=OUTPUT,
    help="Write the checkpoint to this file, for `rendertrust verify`.",
)
@click.option(
    "--accept",
    is_flag=True,
    help="Accept this log from now on, even if this log contradicts the log that was seen before.",
)
@pass_session
def checkpoint(session: CliSession, out: Path | None, *, accept: bool) -> None:
    """Fetch the log's checkpoint, and check that the log only grew.

    The log must extend the log that this machine saw before. The exit code is 1 if the log
    contradicts the earlier log; both checkpoints are then kept as evidence.
    """
    found = session.run(lambda client: client.log_checkpoint(accept=accept))
    if out is not None:
        out.write_text(encoded(found) + "\n", "utf-8")
        session.output.note(f"Written to {out}")
    session.output.document(found)
    session.output.facts(
        {
            "origin": value_text.harmless(found.origin),
            "size": str(found.size),
            "root": found.root,
            "time": value_text.stamp(found.time),
            "key": value_text.harmless(found.verifier),
            "kept in": str(PinFile(session.url).path),
        }
    )


@ledger.command()
@click.argument("entry", callback=as_entry)
@click.option(
    "--opening", is_flag=True, help="Include the private part: account, balances and text."
)
@click.option(
    "--out",
    "--output",
    "out",
    type=OUTPUT,
    help="Write the proof to this file instead of standard output.",
)
@pass_session
def proof(session: CliSession, entry: str, *, opening: bool, out: Path | None) -> None:
    """Fetch the proof of an entry and verify the proof.

    Anybody can check the proof again, offline.
    """
    found = session.run(lambda client: client.entry_proof(entry, opening=opening))
    if out is None:
        session.output.document(found)
        session.output.say(encoded(found))
        return
    out.write_text(encoded(found) + "\n", "utf-8")
    session.output.document({"entry_id": found.entry_id, "output": str(out)})
    session.output.note(f"Written to {out}; check the proof: rendertrust verify {out}")


@ledger.command()
@click.argument("entry", callback=as_entry)
@pass_session
def verify(session: CliSession, entry: str) -> int:
    """Check an entry against the log that this machine saw before.

    The exit code is 0 if everything is valid, 3 if this machine saw no log before, and otherwise 1.
    """
    verdict = session.run(lambda client: client.verify_entry(entry))
    tell(session.output, {f"entry {entry}": verdict})
    return exit_code([verdict])
