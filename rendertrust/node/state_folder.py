"""The state folder of a node: its key, where it is enrolled, its spool, cache and work folders.

``$RENDERTRUST_STATE``, else the XDG state folder. Everything in it is its owner's alone.
"""

import contextlib
import fcntl
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import orjson
import platformdirs
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rendertrust import identity

VARIABLE: Final = "RENDERTRUST_STATE"
NO_SANDBOX_WORDS: Final = "I trust every scene that this node renders"


@attrs.frozen(kw_only=True)
class Enrolment:
    """Which gateway knows this node, by which id, and the token that it gave.

    ``owned``: it was registered with a user's token. ``proven``: the gateway checked that we hold
    the key. ``gateway_key``: what signs its log; no other gateway is followed unasked.
    """

    url: str
    node_id: str
    name: str
    token: str = attrs.field(repr=False)
    capabilities: tuple[str, ...] = ()
    owned: bool = False
    proven: bool = False
    gateway_key: str | None = None


def default_folder() -> Path:
    """Where the state is kept unless somebody says otherwise."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else platformdirs.user_state_path("rendertrust") / "node"


def _absolute(path: Path) -> Path:
    return path.absolute()


@attrs.frozen
class StateFolder:
    """The paths below one state folder, and the two small files in it."""

    path: Path = attrs.field(factory=default_folder, converter=_absolute)

    @property
    def key(self) -> Path:
        """The private key."""
        return self.path / "key.pem"

    @property
    def spool(self) -> Path:
        """Results that wait for their upload or their ack."""
        return self.path / "spool"

    @property
    def cache(self) -> Path:
        """Inputs by their SHA-256."""
        return self.path / "cache"

    @property
    def work(self) -> Path:
        """One folder per unit that runs."""
        return self.path / "work"

    @property
    def history(self) -> Path:
        """What the agent did, in all its lives."""
        return self.path / "history.sqlite"

    def change_key(self, key: Ed25519PrivateKey, before: str) -> None:
        """Take ``key`` from now on; the one of node ``before`` is kept beside it."""
        if self.key.exists():
            self.key.replace(self.path / f"key-{before}.pem")
        identity.save_key(self.key, key)

    def make(self) -> None:
        """Create the folder, closed to others."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def enrolment(self) -> Enrolment | None:
        """Where this node is enrolled; None when it never joined, or the file is broken."""
        members = _read(self.path / "enrolment.json")
        names = {field.name for field in attrs.fields(Enrolment)}
        known = {name: members[name] for name in names & members.keys()}
        known["capabilities"] = tuple(known.get("capabilities", ()))
        try:
            return Enrolment(**known)
        except TypeError:
            return None

    def enrol(self, enrolment: Enrolment) -> None:
        """Remember ``enrolment``."""
        self.make()
        write_private(self.path / "enrolment.json", orjson.dumps(attrs.asdict(enrolment)))

    def tell(self, facts: Mapping[str, Any]) -> None:
        """Leave what the running agent is doing for ``status`` to read."""
        write_private(self.path / "agent.json", orjson.dumps(facts), durable=False)

    def told(self) -> Mapping[str, Any]:
        """What the agent left last; empty when none ever ran."""
        return _read(self.path / "agent.json")

    def accept_no_sandbox(self, words: str) -> None:
        """Keep what the machine's owner said."""
        self.make()
        write_private(self.path / "no-sandbox.json", orjson.dumps({"accepted": words}))

    @property
    def accepts_no_sandbox(self) -> bool:
        """Whether scenes may render without a sandbox here, where there is none."""
        return _read(self.path / "no-sandbox.json").get("accepted") == NO_SANDBOX_WORDS

    def wish_drain(self) -> None:
        """Tell the agent that runs to finish what it has, and end."""
        write_private(self.path / "drain", b"")

    @property
    def drain_wished(self) -> bool:
        """Whether somebody on this machine did."""
        return (self.path / "drain").exists()

    def forget_drain(self) -> None:
        """It was done, or meant an agent that is gone."""
        (self.path / "drain").unlink(missing_ok=True)

    def lock(self) -> int | None:
        """Take the folder for this process: a descriptor to keep open; None when another has it."""
        self.make()
        descriptor = os.open(self.path / "agent.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def is_locked(self) -> bool:
        """Whether an agent runs on this folder."""
        if not (self.path / "agent.lock").exists():
            return False
        descriptor = self.lock()
        if descriptor is None:
            return True
        os.close(descriptor)
        return False


def write_private(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Replace ``path`` by ``content`` at once, readable by its owner alone."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        if durable:
            os.fsync(file.fileno())
    fresh.replace(path)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        members = orjson.loads(path.read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return {}
    return members if isinstance(members, dict) else {}
