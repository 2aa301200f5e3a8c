"""Updates of the node's program: the decision, and the steps from the gateway's wheel to its use.

A wheel is installed only if the release key that this node stored signed it, and only if it is
newer. It goes into a new environment beside the one in use. That environment is used once it has
passed its self-test; until then nothing changes, whatever fails or ends.
"""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import aiohttp
import attrs

from rendertrust import __version__, release
from rendertrust.node.program_folder import ProgramFolder
from rendertrust.note import NoteRefused
from rendertrust.program_version import DOWNLOAD, installed_extras
from rendertrust.release import ReleaseStatement

HOW_TO_STORE: Final = (
    "Join again, which stores the gateway's release key: rendertrust node join URL. Or name a key "
    "that you know: rendertrust node update --release-key KEY"
)
HOW_TO_SIGN: Final = (
    "Ask the gateway's admins to sign their release (docs/OPERATIONS.md), or update by the line "
    "that the gateway's page /download shows."
)
OTHER_KEY: Final = (
    "Ask the gateway's admins. If they told you that they have a new release key, name it: "
    "rendertrust node update --release-key KEY"
)
TRY_AGAIN: Final = "The node keeps its program. Try again later."


@attrs.frozen
class UpdateRefused:
    """The reason why the program is not updated. ``remedy`` tells the operator what to do."""

    reason: str
    remedy: str = TRY_AGAIN


BUSY: Final = UpdateRefused("another update of this program is running", "Wait until it has ended.")


@attrs.frozen
class NothingNewer:
    """The gateway hands out no newer program. ``version``: the gateway's."""

    version: str
    reason: str


@attrs.frozen
class NewRelease:
    """The gateway hands out a newer program, which the node's release key signed."""

    statement: ReleaseStatement


def decide(
    offered: Mapping[str, Any], key: str | None, present: str = __version__
) -> NewRelease | NothingNewer | UpdateRefused:
    """Decide whether to install what a gateway hands out. ``key``: the stored release key.

    ``offered`` is the gateway's answer, which is not trusted.
    """
    version = offered.get("version")
    theirs = release.order_of(version) if isinstance(version, str) else None
    ours = release.order_of(present)
    if theirs is None or not isinstance(version, str):
        return UpdateRefused("the gateway does not say which version it hands out")
    if ours is None:
        return UpdateRefused(f"this program's version {present} cannot be compared", HOW_TO_SIGN)
    if theirs == ours:
        return NothingNewer(version, f"the gateway hands out the same version, {version}")
    if theirs < ours:
        said = f"the gateway hands out version {version}, which is older than {present}"
        return NothingNewer(version, f"{said}: a node never goes back")
    if key is None:
        return UpdateRefused("this node has stored no release key", HOW_TO_STORE)
    signature = offered.get("signature")
    if not isinstance(signature, str):
        return UpdateRefused(f"the gateway's program {version} is not signed", HOW_TO_SIGN)
    return _signed(version, signature, key, ours)


def _signed(
    version: str, signature: str, key: str, ours: tuple[int, ...]
) -> NewRelease | UpdateRefused:
    """Decide by the statement that a release key signed."""
    statement = release.read(signature, key)
    if isinstance(statement, NoteRefused):
        said = f"the gateway's program {version} is not signed by the release key of this node"
        return UpdateRefused(f"{said}: {statement.reason}", OTHER_KEY)
    signed = release.order_of(statement.version)
    if statement.version != version or signed is None or signed <= ours:
        said = f"the gateway names version {version}, and shows the signature of another"
        return UpdateRefused(f"{said}, {statement.version}", OTHER_KEY)
    return NewRelease(statement)


class ProgramTools(Protocol):
    """The programs that make, fill and test an environment. Each returns why it failed, or None."""

    async def make(self, environment: Path) -> str | None:
        """Make an environment with pip."""
        ...

    async def install(self, environment: Path, wheel: Path, extra: str) -> str | None:
        """Install a wheel and what it needs."""
        ...

    async def self_test(self, environment: Path, version: str) -> str | None:
        """Test that the environment's program is of this version and can do this node's work."""
        ...


@attrs.frozen
class PreparedUpdate:
    """A release that is installed in an environment which is not used yet."""

    statement: ReleaseStatement
    environment: Path


@attrs.frozen
class ProgramUpdate:
    """The steps of an update, each told to ``narrate`` before it begins."""

    folder: ProgramFolder
    tools: ProgramTools
    narrate: Callable[[str], None]
    extra: str = attrs.field(factory=installed_extras)

    async def prepare(
        self, session: aiohttp.ClientSession, url: str, statement: ReleaseStatement
    ) -> PreparedUpdate | UpdateRefused:
        """Fetch the wheel from the gateway at ``url`` and install it beside the present program."""
        try:
            with self.folder.changing() as is_mine:
                if not is_mine:
                    return BUSY
                self.folder.remove_unused()
                return await self._prepare(session, url, statement)
        except OSError as fault:
            return UpdateRefused(f"the program could not be installed: {fault}")

    async def _prepare(
        self, session: aiohttp.ClientSession, url: str, statement: ReleaseStatement
    ) -> PreparedUpdate | UpdateRefused:
        name = f"{statement.version}-{statement.sha256[:12]}-"
        if self.folder.current().name.startswith(name):  # this process is still the old one
            return PreparedUpdate(statement, self.folder.current())
        self.narrate(f"making an environment for version {statement.version}")
        environment = self.folder.new_environment(name)
        if (fault := await self.tools.make(environment)) is not None:
            return UpdateRefused(f"no environment could be made: {fault}")
        self.narrate(f"fetching {statement.wheel} from {url}")
        wheel = environment / statement.wheel
        if (fault := await fetch(session, url, statement, wheel)) is not None:
            return UpdateRefused(fault)
        self.narrate(f"installing version {statement.version}")
        fault = await self.tools.install(environment, wheel, self.extra)
        wheel.unlink()
        if fault is not None:
            return UpdateRefused(f"pip could not install version {statement.version}: {fault}")
        return PreparedUpdate(statement, environment)

    async def activate(
        self, prepared: PreparedUpdate, *, on_trial: bool = False
    ) -> UpdateRefused | None:
        """Test the prepared program, and use it from now on; return why it is not used.

        ``on_trial``: nobody watches it, so the old one comes back if the new one does not connect.
        """
        try:
            with self.folder.changing() as is_mine:
                if not is_mine:
                    return BUSY
                return await self._activate(
                    prepared.statement, prepared.environment, on_trial=on_trial
                )
        except OSError as fault:
            return UpdateRefused(f"the new program could not be used: {fault}")

    async def _activate(
        self, statement: ReleaseStatement, environment: Path, *, on_trial: bool
    ) -> UpdateRefused | None:
        if self.folder.current() == environment:
            return None
        self.narrate(f"testing version {statement.version}")
        if (fault := await self.tools.self_test(environment, statement.version)) is not None:
            self.folder.note_failure(statement.sha256)
            return UpdateRefused(f"version {statement.version} failed its self-test: {fault}")
        self.narrate(f"changing to version {statement.version}")
        installed = f"{statement.sha256}{self.extra}"
        if on_trial:
            self.folder.try_out(environment, statement.sha256, installed)
        else:
            self.folder.pass_trial()
            self.folder.use(environment, installed)
        self.narrate(f"version {statement.version} is installed")
        return None


async def fetch(
    session: aiohttp.ClientSession, url: str, statement: ReleaseStatement, target: Path
) -> str | None:
    """Save the signed wheel; return why it was not saved. Reads no more than its signed size."""
    digest, size = hashlib.sha256(), 0
    try:
        async with session.get(f"{url}{DOWNLOAD}/{statement.wheel}") as response:
            if response.status != 200:
                return f"{url} answered {response.status} when asked for {statement.wheel}"
            with target.open("wb") as file:
                async for chunk in response.content.iter_chunked(2**16):
                    size += len(chunk)
                    if size > statement.size:
                        break
                    digest.update(chunk)
                    file.write(chunk)
    except (aiohttp.ClientError, TimeoutError) as fault:
        return f"{statement.wheel} could not be fetched from {url}: {type(fault).__name__}"
    if size != statement.size or digest.hexdigest() != statement.sha256:
        return f"{url} sent another file than the signed {statement.wheel}"
    return None
