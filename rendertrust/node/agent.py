"""Entry point of the node agent, the process that keeps a node connected and its units running.

The agent ends when it is drained (every result acked), stopped by SIGTERM or SIGINT, replaced by
another connection of the same node, or refused by the gateway. When the agent is stopped, running
units may get some time to finish. Unfinished units are returned as failed with class ``network``,
which costs no reputation, and this node may get them again. If the gateway is unreachable, the
leases of these units expire. A second signal stops the agent at once.

Outside its working hours, or while others use the machine, the agent rests. Running units finish
and are acked, then the agent disconnects until the node may work again.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import attrs

from rendertrust.http_session import http_session
from rendertrust.node import plugins
from rendertrust.node.agent_history import AgentHistory
from rendertrust.node.agent_runtime import Agent, AgentExit
from rendertrust.node.agent_settings import AgentSettings
from rendertrust.node.agent_status import NotJoined, Status, status
from rendertrust.node.automatic_update import AutomaticUpdate
from rendertrust.node.gateway_key_middleware import GatewayPin
from rendertrust.node.readiness import room_of
from rendertrust.node.renderer_list_updates import ListSource
from rendertrust.node.state_folder import BlenderChoice, Enrolment, StateFolder

__all__ = ["Agent", "AgentExit", "NotJoined", "Status", "run", "status"]


async def run(
    state: Path | None = None,
    *,
    settings: AgentSettings | None = None,
    narrator: Callable[[str], None] | None = None,
    stop: asyncio.Event | None = None,
    needs: str | None = None,
    updates: AutomaticUpdate | None = None,
) -> AgentExit:
    """Run the agent until it ends. ``stop`` acts like SIGTERM.

    ``needs`` is a job type that this machine must be able to do. The agent ends without units when
    ``updates`` has prepared a newer program.
    """
    folder = StateFolder(state) if state else StateFolder()
    enrolment = folder.enrolment()
    if enrolment is None:
        return AgentExit(reason=NotJoined().reason, ok=False)
    if (lock := folder.lock()) is None:
        return AgentExit(reason=f"another agent runs on {folder.path}", ok=False)
    chosen = _chosen(settings or AgentSettings(), folder)
    history = AgentHistory(folder.history)

    def narrate(text: str) -> None:
        history.tell(text)
        (narrator or _silence)(text)

    try:
        offer = await _tried(folder, enrolment, chosen, narrate)
        if needs is not None and needs not in offer.plugins:
            return AgentExit(reason=offer.not_offered.get(needs, f"no {needs} here"), ok=False)
        guard = GatewayPin(url=enrolment.url)
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
                updates=updates,
            )
            ended = await agent.run(stop or asyncio.Event())
        history.tell(f"ended: {ended.reason}")
        return ended
    finally:
        history.close()
        os.close(lock)


def _chosen(settings: AgentSettings, folder: StateFolder) -> AgentSettings:
    """Return the settings.

    Allow rendering without a sandbox if the machine's owner accepted this risk.
    """
    accepts = folder.accepts_no_sandbox
    return attrs.evolve(settings, unsafe_no_sandbox=True) if accepts else settings


async def _tried(
    folder: StateFolder,
    enrolment: Enrolment,
    settings: AgentSettings,
    narrate: Callable[[str], None],
) -> plugins.PluginOffer:
    """Test which plugins work on this machine."""
    folder.choose_blenders(BlenderChoice(settings.renderers_bytes_max, settings.blenders))
    await _room(folder, settings, narrate)
    narrate("testing which kinds of work this machine can do")
    source = ListSource(enrolment.url, enrolment.gateway_key)
    return await plugins.offer(folder, settings, source=source, narrate=narrate)


async def _room(
    folder: StateFolder, settings: AgentSettings, narrate: Callable[[str], None]
) -> None:
    """Wait until there is disk space for the self-test."""
    room = room_of(settings, folder)
    while (full := room.why_not()) is not None:
        narrate(f"waiting: {full}")
        await asyncio.sleep(settings.look_seconds)


def _silence(_: str) -> None:
    """Ignore a line that tells the operator what the agent does."""
