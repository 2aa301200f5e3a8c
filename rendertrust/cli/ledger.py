"""``rendertrust ledger``: proofs that entries stand in the log, and that it only grows."""

from pathlib import Path

import click

from rendertrust.cli import formatting
from rendertrust.cli.command import Group
from rendertrust.cli.output import encoded
from rendertrust.cli.pins import PinFile
from rendertrust.cli.session import session_of
from rendertrust.cli.verify import exit_code, tell

OUTPUT = click.Path(path_type=Path, dir_okay=False)


def as_entry(_: click.Context, __: click.Parameter, text: str) -> str:
    """A number or an id; BadParameter otherwise."""
    from uuid import UUID

    try:
        return text if text.isdecimal() and text.isascii() else str(UUID(text))
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither a number nor an id of an entry") from None


@click.group(cls=Group)
def ledger() -> None:
    """Proofs that your entries stand in the log, and that the log only grows.

    ENTRY is an entry's number or id, as `rendertrust credits history --json` shows them.
    """


@ledger.command()
@click.option(
    "--out", "--output", "out", type=OUTPUT, help="Write it there, for `rendertrust verify`."
)
@click.option("--accept", is_flag=True, help="Go by this log from now on, whatever was before.")
@click.pass_context
def checkpoint(context: click.Context, out: Path | None, *, accept: bool) -> None:
    """How large the log is, signed; held against what was seen of it before.

    Exit code 1: it is another log than before. Both checkpoints are kept then.
    """
    session = session_of(context)
    found = session.run(lambda client: client.log_checkpoint(accept=accept))
    if out is not None:
        out.write_text(encoded(found) + "\n")
        session.output.note(f"Written to {out}")
    session.output.document(found)
    session.output.facts(
        {
            "origin": formatting.harmless(found.origin),
            "size": str(found.size),
            "root": found.root,
            "time": formatting.stamp(found.time),
            "key": formatting.harmless(found.verifier),
            "kept in": str(PinFile(session.url).path),
        }
    )


@ledger.command()
@click.argument("entry", callback=as_entry)
@click.option("--opening", is_flag=True, help="With the private part: balances, account, text.")
@click.option(
    "--out", "--output", "out", type=OUTPUT, help="Write it there, instead of printing it."
)
@click.pass_context
def proof(context: click.Context, entry: str, *, opening: bool, out: Path | None) -> None:
    """Fetch the proof of an entry, verified, for whoever wants to check it."""
    session = session_of(context)
    found = session.run(lambda client: client.entry_proof(entry, opening=opening))
    if out is None:
        session.output.document(found)
        session.output.say(encoded(found))
        return
    out.write_text(encoded(found) + "\n")
    session.output.document({"entry_id": found.entry_id, "output": str(out)})
    session.output.note(f"Written to {out}; check it: rendertrust verify {out}")


@ledger.command()
@click.argument("entry", callback=as_entry)
@click.pass_context
def verify(context: click.Context, entry: str) -> int:
    """Fetch the proof of an entry and check it, against what was seen of the log before.

    The exit code is 0 where all holds, 3 where nothing of the log was seen before, else 1.
    """
    session = session_of(context)
    verdict = session.run(lambda client: client.verify_entry(entry))
    tell(session.output, {f"entry {entry}": verdict})
    return exit_code([verdict])
