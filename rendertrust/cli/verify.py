"""``rendertrust verify``: checks proofs, receipts and checkpoints without the gateway."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import click

from rendertrust.cli import exit_codes, rerender, value_text
from rendertrust.cli.command import Command
from rendertrust.cli.session import CliSession, pass_session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rendertrust.checkpoint_check import ExpectedRoot, KeptCheckpoint
    from rendertrust.cli.output import Printer
    from rendertrust.json_values import Document
    from rendertrust.note import Verifier
    from rendertrust.proof_check import (
        ChainUnknown,
        ConsistencyProof,
        KnownCheckpoint,
        LeafLink,
        OnChain,
        Verdict,
    )
    from rendertrust.receipt_check import PictureFile

T = TypeVar("T")
FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
BYTES_MAX = 1 << 20


@click.command(cls=Command)
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option(
    "--checkpoint",
    type=FILE,
    help="A checkpoint that you kept, or that somebody gave you: JSON, or a plain signed note.",
)
@click.option(
    "--key",
    metavar="NAME+ID+KEY",
    help="The key that must have signed the checkpoint (default for a plain note: any gateway's "
    "key that this machine remembers).",
)
@click.option("--rpc", metavar="URL", help="JSON-RPC address of a blockchain node that you trust.")
@click.option(
    "--contract", metavar="ADDRESS", help="Address of the contract with the gateway's anchors."
)
@click.option(
    "--confirmations",
    type=click.IntRange(1, 100_000),
    help="Blocks until an anchor is final, if the blockchain node does not say (default 12; "
    "1 on a private chain).",
)
@rerender.options
@pass_session
def verify(  # noqa: PLR0917 - click passes all options by name
    session: CliSession,
    /,
    files: tuple[Path, ...],
    checkpoint: Path | None,
    key: str | None,
    rpc: str | None,
    contract: str | None,
    confirmations: int | None,
    **again: Any,
) -> int:
    """Check proofs, receipts and checkpoints without the gateway, step by step.

    FILES are proofs from `rendertrust ledger proof`, receipts from `rendertrust jobs receipt`, and
    the picture of a receipt. FILES may also be checkpoints from /ledger/checkpoint or plain signed
    notes, and answers of /ledger/consistency and /ledger/epochs, which link checkpoints.

    The exit code is 0 if all files are valid and the checkpoint or the chain confirms the files.
    The exit code is 3 if everything is valid but unconfirmed: no checkpoint, or no chain with its
    contract, is given, the chain is private, or an anchor is not final yet. Otherwise the exit code
    is 1, also for an unknown kind of file.

    With --scene, this machine's Blender renders the receipt's frame again in a sandbox. The render
    is compared with the picture, in multiples of the noise. A PNG beside the picture shows both
    pictures. Regions are drawn at random. The whole frame is rendered if regions differ, or if the
    scene needs it: it is denoised or composited without --evidence, or has effects across regions.

    With --scene, the exit code is 0 if the picture matches the scene. The exit code is 1 if the
    picture differs, or if scene, files or picture do not match the receipt. The exit code is 3 if a
    match cannot be decided. Causes are a missing Blender, a build of Blender that differs from the
    node's build, and honest renders that differ. The exit code is also 3 if a --checkpoint or --rpc
    does not confirm the receipt.
    """
    check_options(rpc, contract)
    wish = rerender.wish_of(again)
    given = given_of(files, key, checkpoint)
    delivered = None if wish is None else given.delivered()
    verdicts = given.verdicts(None if rpc is None else ChainOptions(rpc, contract, confirmations))
    output = session.output
    tell(output, verdicts, notes=wish is None)
    code = exit_code(list(verdicts.values()))
    if wish is None:
        return code
    if delivered is None or code == exit_codes.FAILURE:
        output.note("Nothing was rendered.")
        return code
    # A re-render on this machine is independent of the gateway. If a witness was given, the witness
    # must agree, too.
    is_named = checkpoint is not None or rpc is not None
    return rerender.run(output, wish, delivered) or (code if is_named else exit_codes.OK)


def given_of(files: "Sequence[Path]", key: str | None, checkpoint: Path | None) -> "ProofFiles":
    """Read the files to check. Raise UsageError for files that cannot be checked together."""
    given = ProofFiles(files, None if key is None else key_of(key))
    if checkpoint is not None:
        given.witness(checkpoint)
    elif key is not None and not given.kept and not given.broken:
        raise click.UsageError("--key needs --checkpoint, or a checkpoint that the key signed")
    if not given.proofs and not given.kept and not given.broken:
        raise click.UsageError("There is no proof, receipt or checkpoint among the files")
    given.look_at_pictures()
    return given


def check_options(rpc: str | None, contract: str | None) -> None:
    """Raise UsageError for options that do not go together."""
    from rendertrust.json_values import address

    if rpc is not None and not rpc.startswith(("http://", "https://")):
        raise click.UsageError("--rpc is the http(s) address of a blockchain node")
    if contract is not None and rpc is None:
        raise click.UsageError("--contract needs --rpc, the blockchain node to ask")
    if contract is not None and address(contract) is None:
        raise click.UsageError("--contract is an address: 0x and 40 hexadecimal digits")


def key_of(text: str) -> "Verifier":
    """Parse a verifier key; raise UsageError for an invalid key."""
    from rendertrust.note import Verifier, read_verifier

    found = read_verifier(text.strip())
    if not isinstance(found, Verifier):
        raise click.UsageError(f"--key: {found.reason}")
    return found


@attrs.frozen
class ChainOptions:
    """The blockchain node and the contract that the options name, and requests to the node."""

    rpc: str
    contract: str | None
    confirmations: int | None

    async def of(self, document: object) -> "OnChain | ChainUnknown":
        """Return the chain's statement on the root of a proof or checkpoint."""
        from rendertrust.proof_check import anchored

        named, blocks = self.contract, self.confirmations
        return await anchored(self.rpc, document, contract=named, confirmations=blocks)

    async def newest(self) -> int | None:
        """Return the size of the log at the contract's newest root.

        Return None without --contract.
        """
        from rendertrust.onchain import newest

        found = None if self.contract is None else await newest(self.rpc, self.contract)
        return found if isinstance(found, int) else None


class ProofFiles:
    """The files that were given: proofs, receipts, checkpoints, and links between checkpoints.

    ``broken`` maps files of unknown kinds to errors. Beside a receipt, a file of an unknown kind is
    the receipt's picture.
    """

    def __init__(self, files: "Sequence[Path]", key: "Verifier | None" = None) -> None:
        self.broken: dict[str, Verdict] = {}
        self.proofs: dict[Path, Document] = {}
        self.kept: dict[Path, KeptCheckpoint] = {}
        self._key = key
        self._picture: PictureFile | None = None
        self._others: list[Path] = []  # files that are not JSON documents
        self._shown: list[ConsistencyProof] = []
        self._epochs: list[LeafLink] = []
        self._witness: KnownCheckpoint | None = None
        for path in files:
            self._take(path)

    def _take(self, path: Path) -> None:
        from rendertrust.checkpoint_check import is_checkpoint, read_kept, read_kept_note
        from rendertrust.proof_check import read_epochs, read_shown

        raw = self._raw(path)
        if is_note(raw):
            self._keep(path, read_kept_note(raw.decode(), self._keys()))
            return
        found = self._document(path)
        if found is None:
            self._others.append(path)
        elif "leaf" not in found and "from_size" in found:
            self._shown += self._read(path, read_shown(found))
        elif "leaf" not in found and "epochs" in found:
            self._epochs += [link for of in self._read(path, read_epochs(found)) for link in of]
        elif is_checkpoint(found):
            self._keep(path, read_kept(found))
        else:
            self.proofs[path] = found

    def _keep(self, path: Path, found: "KeptCheckpoint | str") -> None:
        for kept in self._read(path, found):
            self.kept[path] = kept

    def witness(self, path: Path) -> None:
        """Read the witness checkpoint: a response of the API, or a note signed by a known key."""
        from rendertrust.proof_check import read_noted, read_witness

        raw = self._raw(path)
        if raw.lstrip()[:1] != b"{":
            found = read_noted(raw.decode(errors="replace"), self._keys())
        elif (kept := self._document(path)) is None:
            return
        elif self._key is None:
            found = read_witness(kept)
        else:
            found = read_noted(str(kept.get("checkpoint")), [self._key])
        for known in self._read(path, found):
            self._witness = known

    def _keys(self) -> "Sequence[Verifier]":
        """Return the keys that may sign a plain note."""
        from rendertrust.cli.pins import pinned_keys

        return pinned_keys() if self._key is None else [self._key]

    def _document(self, path: Path) -> "Document | None":
        from rendertrust.strict_json import read_document

        raw = self._raw(path)
        large = f"the file is larger than {BYTES_MAX} bytes"
        found = self._read(path, read_document(raw) if len(raw) <= BYTES_MAX else large)
        return found[0] if found else None

    def _raw(self, path: Path) -> bytes:
        if not path.is_file():  # a pipe may never end, and the file is read twice
            raise click.UsageError(
                f"{path} is not a regular file: save the data in a regular file first"
            )
        with path.open("rb") as file:
            return file.read(BYTES_MAX + 1)

    def _read(self, path: Path | None, found: "T | str") -> "list[T]":
        """Return a list with the parsed document; return an empty list for a broken file."""
        from rendertrust.proof_check import Step, Verdict

        if not isinstance(found, str):
            return [found]
        self.broken[str(path)] = Verdict((Step("file", False, found),))
        return []

    def look_at_pictures(self) -> None:
        """Treat a single file of unknown kind beside a receipt as the receipt's picture.

        Raise UsageError for several such files.
        """
        from rendertrust.receipt_check import is_receipt, picture_for

        receipts = [path for path, document in self.proofs.items() if is_receipt(document)]
        if not receipts or not self._others:
            return
        if len(receipts) > 1 or len(self._others) > 1:
            raise click.UsageError("Give one receipt with one picture at a time")
        [path] = self._others
        self._picture = picture_for(self.proofs[receipts[0]], path)
        del self.broken[str(path)]

    def verdicts(self, asked: "ChainOptions | None") -> "dict[str, Verdict]":
        """Check each file and return the verdicts."""
        found = {**self.broken}
        found |= {str(path): self.checked(path, asked) for path in self.proofs}
        return found | {str(path): self.kept_is_checked(path, asked) for path in self.kept}

    def delivered(self) -> "rerender.DeliveredFrame | None":
        """Return the receipt and its picture for re-rendering.

        Return None if the receipt is unreadable.

        Raise UsageError unless one receipt and one picture were given.
        """
        from rendertrust.receipt import read_receipt
        from rendertrust.receipt_check import is_receipt

        receipts = [document for document in self.proofs.values() if is_receipt(document)]
        if len(receipts) != 1 or self._picture is None:
            raise click.UsageError("--scene needs one receipt and its picture")
        read = read_receipt(receipts[0].get("receipt"))
        if isinstance(read, str):
            return None
        return rerender.DeliveredFrame(receipt=read, picture=self._picture, path=self._others[0])

    def checked(self, path: Path, asked: "ChainOptions | None") -> "Verdict":
        """Check a proof or receipt and return the verdict."""
        import asyncio

        from rendertrust.proof_check import verify as check
        from rendertrust.receipt_check import is_receipt, verify_receipt

        document, known = self.proofs[path], self._witness
        shown, epochs = self._shown, self._epochs
        proof = _proof_in(document)
        chain = None if asked is None or proof is None else asyncio.run(asked.of(proof))
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

    def kept_is_checked(self, path: Path, asked: "ChainOptions | None") -> "Verdict":
        """Check a checkpoint and return the verdict."""
        import asyncio

        from rendertrust.checkpoint_check import places, verify_checkpoint

        kept, named = self.kept[path], asked is not None and asked.contract is not None

        async def ask(
            node: ChainOptions,
        ) -> "tuple[dict[ExpectedRoot, OnChain | ChainUnknown], int | None]":
            where = places(kept, self._shown, named=named)
            return {one: await node.of(one.document) for one in where}, await node.newest()

        said, newest = (None, None) if asked is None else asyncio.run(ask(asked))
        return verify_checkpoint(
            kept,
            key=self._key,
            witness=self._witness,
            shown=self._shown,
            epochs=self._epochs,
            said=said,
            newest=newest,
        )


def is_note(raw: bytes) -> bool:
    """Return True if the file looks like a signed note: text, an empty line, signatures."""
    try:
        return raw[:1] != b"{" and "\n\n— " in raw.decode()
    except UnicodeDecodeError:
        return False


def _proof_in(document: "Document") -> object:
    """Return the document itself, or the proof in a receipt.

    Return None if the receipt has no proof yet.
    """
    from rendertrust.receipt_check import is_receipt

    return document.get("proof") if is_receipt(document) else document


def tell(output: "Printer", verdicts: "dict[str, Verdict]", *, notes: bool = True) -> None:
    """Print every step for each file.

    With ``notes``, also print which options could confirm the files.
    """
    for name, verdict in verdicts.items():
        facts = {"name": name, "holds": verdict.holds, "witnessed": verdict.witnessed}
        output.document({**facts, "steps": verdict.steps})
        output.say(f"{value_text.harmless(name)}: {'valid' if verdict.holds else 'INVALID'}")
        for step in verdict.steps:
            mark = "ok" if step.holds else "NO"
            output.say(f"  {mark}  {step.name:<10}  {value_text.harmless(step.said)}")
    holds = all(verdict.holds for verdict in verdicts.values())
    if notes and holds and not all(verdict.witnessed for verdict in verdicts.values()):
        output.note(
            "Nothing outside of the gateway confirms these files: use --checkpoint, or --rpc and "
            "--contract."
        )


def exit_code(verdicts: "list[Verdict]") -> int:
    """Return the exit code: 0, 1 or 3."""
    if not all(verdict.holds for verdict in verdicts):
        return exit_codes.FAILURE
    witnessed = all(verdict.witnessed for verdict in verdicts)
    return exit_codes.OK if witnessed else exit_codes.NOT_WITNESSED
