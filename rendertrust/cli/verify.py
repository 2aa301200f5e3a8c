"""``rendertrust verify``: proofs, receipts and checkpoints, checked without the gateway."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import click

from rendertrust.cli import exit_codes, formatting, rerender
from rendertrust.cli.command import Command
from rendertrust.cli.session import session_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rendertrust.checkpoint_check import ExpectedRoot, KeptCheckpoint
    from rendertrust.cli.output import Printer
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
    from rendertrust.untrusted import Document

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
    help="Whose signature must be on a checkpoint; on a plain note else a key that you pinned.",
)
@click.option("--rpc", metavar="URL", help="Ask a node of the chain, which you trust.")
@click.option("--contract", metavar="ADDRESS", help="That holds the gateway's anchors.")
@click.option(
    "--confirmations",
    type=click.IntRange(1, 100_000),
    help="Blocks until an anchor is final, where the node does not say which are: 12, "
    "and 1 on a private chain.",
)
@rerender.options
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
    **again: Any,
) -> int:
    """Check proofs, receipts and checkpoints without the gateway, step by step.

    FILES are proofs, as `rendertrust ledger proof` writes them; receipts, as `rendertrust jobs
    receipt` does, one of them perhaps with the picture that it is of; checkpoints, as
    /ledger/checkpoint answers or as plain signed notes; and answers of /ledger/consistency and
    /ledger/epochs, which link checkpoints. The exit code is 0 where all
    holds and the checkpoint or the chain vouches for it; 3 where all holds and neither does, as
    one that is not there, a chain that is private, or an anchor that is not final yet; and 1
    otherwise, also where a file is nothing of that kind.

    With --scene this machine's Blender renders the receipt's frame again, in a sandbox, and
    compares it with its picture, in multiples of the noise; a PNG beside the picture shows both.
    Regions are drawn at random. A scene that is denoised or composited is rendered whole, and so is
    one whose regions differ. Then the exit code is 0 where the picture is what the scene gives; 1
    where it is not, or where scene, files or picture are not the receipt's; and 3 where nobody can
    tell: no Blender here, another one than the node's, a scene of which honest pictures differ, or
    a --checkpoint or --rpc that does not vouch for the receipt.
    """
    check_options(rpc, contract)
    wish = rerender.wish_of(again)
    given = given_of(files, key, checkpoint)
    delivered = None if wish is None else given.delivered()
    verdicts = given.verdicts(None if rpc is None else ChainOptions(rpc, contract, confirmations))
    output = session_of(context).output
    tell(output, verdicts, notes=wish is None)
    code = exit_code(list(verdicts.values()))
    if wish is None:
        return code
    if delivered is None or code == exit_codes.FAILURE:
        output.note("Nothing was rendered.")
        return code
    # What this machine renders is outside of the gateway; a witness that was named has to agree.
    is_named = checkpoint is not None or rpc is not None
    return rerender.run(output, wish, delivered) or (code if is_named else exit_codes.OK)


def given_of(files: "Sequence[Path]", key: str | None, checkpoint: Path | None) -> "ProofFiles":
    """The files, read. UsageError for what cannot be checked together."""
    given = ProofFiles(files, None if key is None else key_of(key))
    if checkpoint is not None:
        given.witness(checkpoint)
    elif key is not None and not given.kept and not given.broken:
        raise click.UsageError("--key needs --checkpoint, or a checkpoint, which it signed")
    if not given.proofs and not given.kept and not given.broken:
        raise click.UsageError("There is no proof, receipt or checkpoint among the files")
    given.look_at_pictures()
    return given


def check_options(rpc: str | None, contract: str | None) -> None:
    """UsageError for what cannot be meant."""
    from rendertrust.untrusted import address

    if rpc is not None and not rpc.startswith(("http://", "https://")):
        raise click.UsageError("--rpc is the http(s) address of a node of the chain")
    if contract is not None and rpc is None:
        raise click.UsageError("--contract needs --rpc, which says whom to ask")
    if contract is not None and address(contract) is None:
        raise click.UsageError("--contract is an address: 0x and 40 hexadecimal digits")


def key_of(text: str) -> "Verifier":
    """The key that was given. UsageError for what is no key."""
    from rendertrust.note import Verifier, read_verifier

    found = read_verifier(text.strip())
    if not isinstance(found, Verifier):
        raise click.UsageError(f"--key: {found.reason}")
    return found


@attrs.frozen
class ChainOptions:
    """A node of a chain, and what is asked of it."""

    rpc: str
    contract: str | None
    confirmations: int | None

    async def of(self, document: object) -> "OnChain | ChainUnknown":
        """What the chain says of a proof, or of a place in the log."""
        from rendertrust.proof_check import anchored

        named, blocks = self.contract, self.confirmations
        return await anchored(self.rpc, document, contract=named, confirmations=blocks)

    async def newest(self) -> int | None:
        """Of how many leaves the contract has the newest root, where one is named."""
        from rendertrust.onchain import newest

        found = None if self.contract is None else await newest(self.rpc, self.contract)
        return found if isinstance(found, int) else None


class ProofFiles:
    """The files: proofs, receipts and checkpoints, and what links these.

    ``broken``: what is none of them, and why. Beside a receipt that is its picture.
    """

    def __init__(self, files: "Sequence[Path]", key: "Verifier | None" = None) -> None:
        self.broken: dict[str, Verdict] = {}
        self.proofs: dict[Path, Document] = {}
        self.kept: dict[Path, KeptCheckpoint] = {}
        self._key = key
        self._picture: PictureFile | None = None
        self._others: list[Path] = []  # no documents
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
        """The checkpoint that one knows: an answer of the API, or a note by a key one knows."""
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
        """Whose signature counts on a plain note."""
        from rendertrust.cli.pins import pinned_keys

        return pinned_keys() if self._key is None else [self._key]

    def _document(self, path: Path) -> "Document | None":
        from rendertrust.strict_json import read_document

        raw = self._raw(path)
        large = f"it is larger than {BYTES_MAX} bytes"
        found = self._read(path, read_document(raw) if len(raw) <= BYTES_MAX else large)
        return found[0] if found else None

    def _raw(self, path: Path) -> bytes:
        if not path.is_file():  # a pipe or a device may never end, and is read more than once
            raise click.UsageError(f"{path} is no regular file: save it in one first")
        with path.open("rb") as file:
            return file.read(BYTES_MAX + 1)

    def _read(self, path: Path | None, found: "T | str") -> "list[T]":
        """What was read; or nothing, and the file is broken."""
        from rendertrust.proof_check import Step, Verdict

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

    def verdicts(self, asked: "ChainOptions | None") -> "dict[str, Verdict]":
        """Every step over each of the files."""
        found = {**self.broken}
        found |= {str(path): self.checked(path, asked) for path in self.proofs}
        return found | {str(path): self.kept_is_checked(path, asked) for path in self.kept}

    def delivered(self) -> "rerender.DeliveredFrame | None":
        """The receipt and its picture, to be rendered again; None: the receipt cannot be read.
        UsageError: there are not one of each.
        """
        from rendertrust.receipt import read_receipt
        from rendertrust.receipt_check import is_receipt

        receipts = [document for document in self.proofs.values() if is_receipt(document)]
        if len(receipts) != 1 or self._picture is None:
            raise click.UsageError("--scene needs one receipt and the picture that it is of")
        read = read_receipt(receipts[0].get("receipt"))
        if isinstance(read, str):
            return None
        return rerender.DeliveredFrame(receipt=read, picture=self._picture, path=self._others[0])

    def checked(self, path: Path, asked: "ChainOptions | None") -> "Verdict":
        """Every step over one of the proofs, or receipts."""
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
        """Every step over one of the checkpoints."""
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
    """Whether it wants to be a signed note: a text with signatures below an empty line."""
    try:
        return raw[:1] != b"{" and "\n\n— " in raw.decode()
    except UnicodeDecodeError:
        return False


def _proof_in(document: "Document") -> object:
    """The proof: the document, or in a receipt's the one inside; None where there is none yet."""
    from rendertrust.receipt_check import is_receipt

    return document.get("proof") if is_receipt(document) else document


def tell(output: "Printer", verdicts: "dict[str, Verdict]", *, notes: bool = True) -> None:
    """Every step of each. ``notes``: what would vouch for it, too."""
    for name, verdict in verdicts.items():
        facts = {"name": name, "holds": verdict.holds, "witnessed": verdict.witnessed}
        output.document({**facts, "steps": verdict.steps})
        output.say(f"{formatting.harmless(name)}: {'holds' if verdict.holds else 'DOES NOT HOLD'}")
        for step in verdict.steps:
            mark = "ok" if step.holds else "NO"
            output.say(f"  {mark}  {step.name:<10}  {formatting.harmless(step.said)}")
    holds = all(verdict.holds for verdict in verdicts.values())
    if notes and holds and not all(verdict.witnessed for verdict in verdicts.values()):
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
