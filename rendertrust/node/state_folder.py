"""The state folder of a node: its key, enrolment, spool, cache and work folders.

The folder is ``$RENDERTRUST_STATE`` or in the XDG state folder. Only the folder's owner can read
the folder.
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

from rendertrust import node_key

VARIABLE: Final = "RENDERTRUST_STATE"
NO_SANDBOX_WORDS: Final = "I trust every scene that this node renders"


@attrs.frozen(kw_only=True)
class Enrolment:
    """The node's registration at its gateway: the node's id and token.

    ``owned``: the node belongs to a user. ``proven``: the gateway has verified the key.
    ``gateway_key``: the pinned key of the gateway's log.
    """

    url: str
    node_id: str
    name: str
    token: str = attrs.field(repr=False)
    capabilities: tuple[str, ...] = ()
    owned: bool = False
    proven: bool = False
    gateway_key: str | None = None


@attrs.frozen
class BlenderChoice:
    """The Blenders that the operator chose for the node, besides its own (``AgentSettings``)."""

    renderers_bytes_max: int | None = None
    blenders: tuple[Path, ...] = ()


def default_folder() -> Path:
    """Return the default state folder."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else platformdirs.user_state_path("rendertrust") / "node"


def _absolute(path: Path) -> Path:
    return path.absolute()


@attrs.frozen
class StateFolder:
    """Paths and small files of one state folder."""

    path: Path = attrs.field(factory=default_folder, converter=_absolute)

    @property
    def key(self) -> Path:
        """Return the path of the node's private key."""
        return self.path / "key.pem"

    @property
    def spool(self) -> Path:
        """Return the folder of results that wait for their upload or ack."""
        return self.path / "spool"

    @property
    def cache(self) -> Path:
        """Return the folder of cached inputs, which are named by their SHA-256."""
        return self.path / "cache"

    @property
    def work(self) -> Path:
        """Return the folder that contains a work folder for each running unit."""
        return self.path / "work"

    @property
    def renderers(self) -> Path:
        """Return the folder of the versions of Blender that the node installs itself."""
        return self.path / "renderers"

    @property
    def history(self) -> Path:
        """Return the path of the agent's history."""
        return self.path / "history.sqlite"

    def change_key(self, key: Ed25519PrivateKey, before: str) -> None:
        """Replace the node's key by ``key``.

        Rename the old key file after ``before``, the old node's id.
        """
        if self.key.exists():
            self.key.replace(self.path / f"key-{before}.pem")
        node_key.save_key(self.key, key)

    def make(self) -> None:
        """Create the folder, readable only by its owner."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def enrolment(self) -> Enrolment | None:
        """Return the enrolment; None if the node never joined, or the file is broken."""
        members = _read(self.path / "enrolment.json")
        names = {field.name for field in attrs.fields(Enrolment)}
        known = {name: members[name] for name in names & members.keys()}
        known["capabilities"] = tuple(known.get("capabilities", ()))
        try:
            return Enrolment(**known)
        except TypeError:
            return None

    def enrol(self, enrolment: Enrolment) -> None:
        """Store the enrolment."""
        self.make()
        write_private(self.path / "enrolment.json", orjson.dumps(attrs.asdict(enrolment)))

    def release_key(self, url: str) -> str | None:
        """Return the key that signs the releases of the gateway at ``url``; None if unknown."""
        known = _read(self.path / "release-key.json")
        key = known.get("key") if known.get("gateway") == url else None
        return key if isinstance(key, str) else None

    def store_release_key(self, url: str, key: str) -> None:
        """Store the key that signs the releases of the gateway at ``url``, instead of another."""
        self.make()
        known = {"gateway": url, "key": key}
        write_private(self.path / "release-key.json", orjson.dumps(known))

    def tell(self, facts: Mapping[str, Any]) -> None:
        """Write the running agent's state, for ``status`` to read."""
        write_private(self.path / "agent.json", orjson.dumps(facts), durable=False)

    def told(self) -> Mapping[str, Any]:
        """Return the state that the agent wrote last; empty if no agent ever ran."""
        return _read(self.path / "agent.json")

    def accept_no_sandbox(self, words: str) -> None:
        """Store the words with which the machine's owner accepts rendering without a sandbox."""
        self.make()
        write_private(self.path / "no-sandbox.json", orjson.dumps({"accepted": words}))

    @property
    def accepts_no_sandbox(self) -> bool:
        """Return True if the owner accepts unprotected renders on a machine without a sandbox."""
        return _read(self.path / "no-sandbox.json").get("accepted") == NO_SANDBOX_WORDS

    def choose_blenders(self, choice: BlenderChoice) -> None:
        """Store the chosen Blenders, with which an update and ``doctor`` then test the node.

        If the disk is full, they test it with the earlier ones.
        """
        if choice == self.chosen_blenders:
            return
        told = {"renderers": choice.renderers_bytes_max, "blenders": [*map(str, choice.blenders)]}
        with contextlib.suppress(OSError):
            self.make()
            write_private(self.path / "blenders.json", orjson.dumps(told))

    @property
    def chosen_blenders(self) -> BlenderChoice:
        """Return the Blenders that the operator chose when the node last joined or ran."""
        told = _read(self.path / "blenders.json")
        return BlenderChoice(told.get("renderers"), tuple(map(Path, told.get("blenders", ()))))

    def wish_drain(self) -> None:
        """Ask the running agent to finish its units and end."""
        write_private(self.path / "drain", b"")

    @property
    def drain_wished(self) -> bool:
        """Return True if a drain was requested."""
        return (self.path / "drain").exists()

    def forget_drain(self) -> None:
        """Remove a request for a drain, which was meant for an earlier run."""
        (self.path / "drain").unlink(missing_ok=True)

    def lock(self) -> int | None:
        """Lock the folder.

        Return a descriptor to keep open, or None if another process holds the lock.
        """
        self.make()
        descriptor = os.open(self.path / "agent.lock", os.O_RDWR | os.O_CREAT, 0o600)
        while not _takes(descriptor, fcntl.LOCK_EX):
            # Other processes hold a shared lock for a moment while they look for an agent.
            if not _takes(descriptor, fcntl.LOCK_SH):
                os.close(descriptor)
                return None
        return descriptor

    def is_locked(self) -> bool:
        """Return True if an agent is running on this folder."""
        try:
            descriptor = os.open(self.path / "agent.lock", os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            return not _takes(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)


def _takes(descriptor: int, kind: int) -> bool:
    """Take a lock of this kind, which replaces one that is held; False if another prevents it."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_private(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Replace the content of ``path`` atomically. Only the file's owner can read the new file."""
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
