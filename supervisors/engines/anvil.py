"""The embedded EVM node: a private chain, whose anchors prove nothing to outsiders.

The node writes its state file in place, so a kill may corrupt the file. Before each start an intact
file is copied; a corrupt file is set aside and replaced by the copy. Transactions that the chain
has lost this way are sent again, as after any kill.
"""

import asyncio
import json
import logging
import os
import signal
from pathlib import Path
from typing import Final

import aiohttp
from attrs import field, frozen

from supervisors.engines.anvil_download import anvil_program
from supervisors.engines.engine import Engine
from supervisors.engines.engine_account import EngineAccount
from supervisors.engines.free_ports import LOOPBACK, keep_ports
from supervisors.engines.secret import write_private
from supervisors.engines.tethered_process import Command

ANSWER_SECONDS: Final = 2.0
SAVE_SECONDS: Final = 1  # interval at which the node writes its state; a kill loses later changes
STOP: Final = ((signal.SIGINT, 10.0), (signal.SIGTERM, 5.0))
KEY_BYTES: Final = 32
log = logging.getLogger("chain")


@frozen
class ChainEndpoint:
    """A chain, and the key of the account that writes anchors to it.

    ``state``: the file in which an embedded node saves its state; None for a remote chain.
    """

    url: str = field(repr=False)
    chain_id: int
    key: str = field(repr=False)
    state: Path | None = None


class EmbeddedAnvil(Engine[ChainEndpoint]):
    """An embedded EVM node in ``data/chain``, with its state on disk.

    The chain id is random and drawn once, so that another EVM node on the same port is not mistaken
    for this one.
    """

    name = "chain"

    def __init__(self, data: Path, *, account: EngineAccount | None) -> None:
        super().__init__(data, account=account)
        self._program = Path()
        self._key = ""
        self._chain_id = 0
        self._port = 0

    async def prepare(self, lock: int) -> None:
        self._program = await anvil_program(self.folder.data)
        self._key = keep_hex(self.folder.secrets / "key", KEY_BYTES)
        self._chain_id = number_of(keep_hex(self.folder.secrets / "chain-id", 4))

    async def command(self) -> Command:
        copy = self.folder.path / "state.json"
        await asyncio.to_thread(repair_state, self._state, copy, self.folder.owned())
        self._port = keep_ports(self.folder.path / "ports", ("chain",))["chain"]
        words: list[str | Path] = [self._program, "--host", LOOPBACK, "--port", str(self._port)]
        words += ["--chain-id", str(self._chain_id), "--accounts", "0", "--no-cors", "--quiet"]
        words += ["--state", self._state, "--state-interval", str(SAVE_SECONDS)]
        return Command(words, STOP)

    @property
    def _state(self) -> Path:
        return self.folder.give("state") / "state.json"

    async def ready(self, pid: int) -> ChainEndpoint | None:
        url = f"http://{LOOPBACK}:{self._port}"
        if await chain_id_at(url) != self._chain_id:
            return None
        return ChainEndpoint(url, self._chain_id, self._key, self._state)


def number_of(drawn: str) -> int:
    """Return the chain id that follows from a random hexadecimal number."""
    return 1_000_000 + int(drawn, 16) % 1_000_000_000


def endpoint_of(folder: Path, url: str) -> ChainEndpoint:
    """Return the endpoint that is stored in an embedded node's folder.

    Raises FileNotFoundError if the embedded node never ran.
    """
    kept = {name: (folder / "secrets" / name).read_text("ascii") for name in ("key", "chain-id")}
    state = folder / "state" / "state.json"
    return ChainEndpoint(url, number_of(kept["chain-id"]), kept["key"].strip(), state)


async def chain_id_at(url: str) -> int | None:
    """Return the id of the chain that answers at the URL, or None."""
    call = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": list[str]()}
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as http, http.post(url, json=call) as got:
            answer = await got.json()
            return int(answer["result"], 16)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError, TypeError):
        return None


def keep_hex(path: Path, size: int) -> str:
    """Return random bytes in hexadecimal, drawn once and stored in a file that only the owner can
    read.
    """
    from secrets import token_hex  # noqa: PLC0415

    from config.redaction import hide  # noqa: PLC0415

    if not path.exists():
        write_private(path, token_hex(size) + "\n")
    kept = path.read_text("ascii").strip()
    hide(kept)
    return kept


def repair_state(state: Path, copy: Path, owner: tuple[int, int] | None) -> None:
    """Copy the file ``state`` to ``copy`` if it is intact.

    Set a corrupt file aside, and replace it by the copy if there is one. The copy is in a folder
    that only the gateway writes.
    """
    found = _read(state)
    if found is not None and _is_whole(found):
        _write(copy, found, None)
    elif found is not None:
        log.error("%s is corrupt: it is set aside, and replaced by the last copy if any", state)
        state.replace(state.with_suffix(".torn"))
        found = _read(copy)
        if found is not None:
            _write(state, found, owner)


def _read(path: Path) -> bytes | None:
    """Return the file's content; a link, which the node's account could create, is not followed."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _is_whole(raw: bytes) -> bool:
    try:
        return isinstance(json.loads(raw), dict)
    except ValueError:
        return False


def _write(path: Path, raw: bytes, owner: tuple[int, int] | None) -> None:
    """Write the file atomically."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        if owner is not None:
            os.fchown(descriptor, *owner)
        file.write(raw)
        file.flush()
        os.fsync(descriptor)
    new.replace(path)
