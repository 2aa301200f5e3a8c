"""The agent: one process that keeps a node connected and its units running.

How it ends: drained (all done and acked), stopped by SIGTERM or SIGINT, replaced by another
connection of the same node, or refused by the gateway. When stopped, what runs may have some time
to be done; then it is given back as failed, class ``network``: nobody's fault, so it costs no
reputation and this node may get it again; a gateway that cannot be told finds out by the lease. A
second signal does not wait.

At hours that are not its own, or while others use the machine, it rests: what runs is finished and
acknowledged, then it hangs up until it is time again.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import attrs

from rendertrust.node import plugins
from rendertrust.node.guard import Guard
from rendertrust.node.history import History
from rendertrust.node.machinery import Agent, Ended
from rendertrust.node.readiness import room_of
from rendertrust.node.settings import Settings
from rendertrust.node.state import StateFolder
from rendertrust.node.status import NotJoined, Status, status
from rendertrust.sessions import http_session

__all__ = ["Agent", "Ended", "NotJoined", "Status", "run", "status"]


async def run(
    state: Path | None = None,
    *,
    settings: Settings | None = None,
    narrator: Callable[[str], None] | None = None,
    stop: asyncio.Event | None = None,
    needs: str | None = None,
) -> Ended:
    """Run the agent until it ends; ``stop`` does what SIGTERM does. Without the kind of work that
    it ``needs`` it ends at once.
    """
    folder = StateFolder(state) if state else StateFolder()
    enrolment = folder.enrolment()
    if enrolment is None:
        return Ended(reason=NotJoined().reason, ok=False)
    lock = folder.lock()
    if lock is None:
        return Ended(reason=f"another agent runs on {folder.path}", ok=False)
    chosen = _chosen(settings or Settings(), folder)
    history = History(folder.history)

    def narrate(text: str) -> None:
        history.tell(text)
        (narrator or _silence)(text)

    try:
        offer = await _tried(folder, chosen, narrate)
        if needs is not None and needs not in offer.plugins:
            return Ended(reason=offer.not_offered.get(needs, f"no {needs} here"), ok=False)
        guard = Guard(url=enrolment.url)
        async with http_session(middlewares=(guard,)) as session:
            agent = Agent(
                folder,
                enrolment,
                settings=chosen,
                offer=offer,
                session=session,
                guard=guard,
                narrate=narrate,
                count=history.count,
            )
            ended = await agent.run(stop or asyncio.Event())
        history.tell(f"ended: {ended.reason}")
        return ended
    finally:
        history.close()
        os.close(lock)


def _chosen(settings: Settings, folder: StateFolder) -> Settings:
    """The settings, with what the machine's owner accepted."""
    accepts = folder.accepts_no_sandbox
    return attrs.evolve(settings, unsafe_no_sandbox=True) if accepts else settings


async def _tried(
    folder: StateFolder, settings: Settings, narrate: Callable[[str], None]
) -> plugins.Offer:
    """What this machine can do."""
    await _room(folder, settings, narrate)
    narrate("trying out what this machine can do")
    return await plugins.offer(folder, settings)


async def _room(folder: StateFolder, settings: Settings, narrate: Callable[[str], None]) -> None:
    """Wait until there is room on the disk: without it nothing can be tried out."""
    room = room_of(settings, folder)
    while (full := room.why_not()) is not None:
        narrate(f"waiting: {full}")
        await asyncio.sleep(settings.look_seconds)


def _silence(_: str) -> None:
    """Nobody listens."""
