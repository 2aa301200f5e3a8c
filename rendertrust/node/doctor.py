"""Diagnosis of a node: problems of this machine, and how to fix them (``node doctor``)."""

import asyncio
import email.utils
import platform
import shutil
import sys
import time
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Final

import aiohttp
import attrs

from rendertrust import __version__, node_key
from rendertrust.blender_version import list_text
from rendertrust.http_session import http_session
from rendertrust.node import blender_discovery, gateway_key, machine_facts, plugins, sandbox
from rendertrust.node.agent_settings import GIB, AgentSettings
from rendertrust.node.agent_snapshot import QUARANTINED, told_of
from rendertrust.node.agent_status import Status, status
from rendertrust.node.gateway_key import KeyChanged, KeyUnknown
from rendertrust.node.opengl_probe import HOW_TO_GET_OPENGL
from rendertrust.node.renderer_environment import PipTools
from rendertrust.node.renderer_list_updates import fetched
from rendertrust.node.renderer_store import installed, name_of
from rendertrust.node.sandbox import INSTALL_BWRAP, OFF
from rendertrust.node.seccomp import filter_of
from rendertrust.node.state_folder import Enrolment, StateFolder
from rendertrust.node.update_notice import newer_program
from rendertrust.note import NoteRefused
from rendertrust.renderer_list import RendererList

GOOD, WARNING, BAD = "good", "warning", "bad"
SKEW_SECONDS_MAX: Final = 60.0
HOW_TO_LEAVE: Final = (
    "ask an admin of the gateway; ten valid frames in a row that differ also end a node's first"
    " quarantine, unless an admin ordered it:"
    " rendertrust submit SCENE.blend --frames 1-10 --pool mine"
)
RAM_LEAST, DISK_LEAST = 4 * GIB, 10 * GIB


@attrs.frozen
class Diagnosis:
    """The result of one check. ``remedy`` tells how to fix the problem; '' without a problem."""

    name: str
    state: str
    said: str
    remedy: str = ""


async def examine(state: Path | None = None) -> AsyncIterator[Diagnosis]:
    """Run all checks, quick checks first."""
    folder = StateFolder(state) if state else StateFolder()
    yield system()
    yield memory()
    yield await asyncio.to_thread(disk, folder)
    yield await asyncio.to_thread(key, folder)
    enrolment = folder.enrolment()
    if enrolment is None:
        yield Diagnosis("gateway", BAD, "no gateway joined", "run: rendertrust node join URL")
    else:
        for check in await gateway(enrolment):
            yield check
        yield agent(status(folder.path))
        if folder.renderers.is_dir():
            yield await renderers(folder, enrolment)
    async for check in work(folder):
        yield check


def system() -> Diagnosis:
    """Check the operating system and Python."""
    named = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    if sys.platform.startswith("linux"):
        return Diagnosis("system", GOOD, named)
    remedy = "there is no sandbox on this system: see docs/NODE.md"
    return Diagnosis("system", WARNING, named, remedy)


def memory() -> Diagnosis:
    """Check memory and processors."""
    ram, cores = machine_facts.ram_bytes(), machine_facts.cores()
    said = f"{ram / GIB:.1f} GiB of memory, {cores} processors"
    if ram and ram < RAM_LEAST:
        return Diagnosis("memory", WARNING, said, "scenes that need more than that will fail here")
    return Diagnosis("memory", GOOD, said)


def disk(folder: StateFolder) -> Diagnosis:
    """Check that the state folder is writable and has free space."""
    try:
        folder.make()
        free = shutil.disk_usage(folder.path).free
        probe = folder.path / ".doctor"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as fault:
        said = f"{folder.path}: {fault.strerror}"
        return Diagnosis("disk", BAD, said, "choose another folder by --state or RENDERTRUST_STATE")
    said = f"{free / GIB:.1f} GiB free for {folder.path}"
    if free < AgentSettings().disk_bytes_least:
        return Diagnosis("disk", BAD, said, "free disk space: without it the node renders nothing")
    if free < DISK_LEAST:
        return Diagnosis("disk", WARNING, said, "free disk space, or lower --cache")
    return Diagnosis("disk", GOOD, said)


def key(folder: StateFolder) -> Diagnosis:
    """Check that the node's key is readable only by its owner."""
    if not folder.key.exists():
        return Diagnosis("key", WARNING, "none yet", "it is created by: rendertrust node join URL")
    try:
        node_key.load_key(folder.key)
    except (OSError, ValueError) as fault:
        return Diagnosis("key", BAD, str(fault), f"fix {folder.key}, or delete it and join again")
    return Diagnosis("key", GOOD, "readable only by its owner")


async def gateway(enrolment: Enrolment) -> list[Diagnosis]:
    """Check that the gateway responds, has the key that the node knows, and has the same time."""
    async with http_session() as session:
        answer = await gateway_key.ask(session, enrolment.url, enrolment.gateway_key)
        if isinstance(answer, KeyChanged):
            return [Diagnosis("gateway", BAD, answer.reason, "ask its admins")]
        if isinstance(answer, KeyUnknown):
            return [Diagnosis("gateway", BAD, answer.reason, "check the network and try again")]
        joined = Diagnosis("gateway", GOOD, f"{enrolment.url} answers")
        skew = await _skew(session, enrolment.url)
        return [joined, clock(skew), await program(session, enrolment.url)]


def clock(skew: float | None) -> Diagnosis:
    """Check that this machine has the gateway's time."""
    if skew is None:
        return Diagnosis("clock", WARNING, "the gateway's response has no time")
    if abs(skew) <= SKEW_SECONDS_MAX:
        return Diagnosis("clock", GOOD, f"{abs(skew):.0f} s from the gateway's")
    said = f"this machine's clock is {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}"
    return Diagnosis("clock", BAD, said, "set it by NTP: URLs and tokens depend on it")


async def program(session: aiohttp.ClientSession, url: str) -> Diagnosis:
    """Check that the gateway hands out no newer version of this program."""
    newer = await newer_program(session, url)
    if newer is None:
        return Diagnosis("program", GOOD, f"version {__version__}")
    return Diagnosis("program", WARNING, newer.said, newer.remedy)


async def _skew(session: aiohttp.ClientSession, url: str) -> float | None:
    try:
        async with session.get(f"{url}/health", timeout=gateway_key.TIMEOUT) as response:
            told = response.headers.get("Date", "")
        return time.time() - email.utils.parsedate_to_datetime(told).timestamp()
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return None


def agent(found: object) -> Diagnosis:
    """Check that the agent runs and is connected."""
    if not isinstance(found, Status) or not found.running:
        return Diagnosis("agent", WARNING, "does not run", "start it: rendertrust node run")
    if found.resting is not None:
        return Diagnosis("agent", GOOD, f"rests: {found.resting}")
    if found.standing == QUARANTINED:
        said = told_of(found.standing, found.node_id, found.standing_reason)
        return Diagnosis("agent", BAD, said, HOW_TO_LEAVE)
    if not found.connected:
        silent = found.silent_seconds
        said = "is not connected" if silent is None else f"has not answered for {silent} s"
        return Diagnosis("agent", BAD, f"runs, and {said}", "see: rendertrust node status")
    return Diagnosis("agent", GOOD, "runs and is connected")


async def renderers(folder: StateFolder, enrolment: Enrolment) -> Diagnosis:
    """Check which versions of Blender the node's store holds, and which it can install."""
    held = await asyncio.to_thread(installed, folder.renderers)
    async with http_session() as session:
        listed = await fetched(session, enrolment.url, enrolment.gateway_key)
    if isinstance(listed, NoteRefused):
        return Diagnosis("renderers", WARNING, f"no list of versions: {listed.reason}")
    tools = PipTools()
    wanted = sorted({each.python for each in listed})
    return store_of(held, listed, [one for one in wanted if await tools.python(one) is None])


def store_of(
    held: Collection[str], listed: RendererList, missing_pythons: Collection[str]
) -> Diagnosis:
    """Return what a store with these environments (``held``) offers of a list of renderers."""
    there = [each.line for each in listed if name_of(each) in held]
    others = [each for each in listed if each.line not in there]
    able = [each.line for each in others if each.python not in missing_pythons]
    lacking = [each for each in others if each.python in missing_pythons]
    said = f"the store holds {f'Blender {list_text(there)}' if there else 'no version of Blender'}"
    said += f", and can install {list_text(able)}" if able else ""
    if not lacking:
        return Diagnosis("renderers", GOOD, said)
    pythons = " and ".join(f"Python {one}" for one in sorted({one.python for one in lacking}))
    remedy = f"install {pythons}, which Blender {list_text(one.line for one in lacking)} needs"
    return Diagnosis("renderers", WARNING, f"{said}; {pythons} is missing", remedy)


async def work(folder: StateFolder) -> AsyncIterator[Diagnosis]:
    """Check which kinds of work this machine offers. The check starts Blender."""
    offer = await plugins.offer(folder, AgentSettings.for_test(folder))
    yield renders(offer)
    yield box(offer)
    if offer.render is not None:
        yield opengl(offer)
    for kind in sorted(offer.plugins):
        yield Diagnosis(kind, GOOD, "offered")
    for kind, reason in sorted(offer.not_offered.items()):
        yield Diagnosis(kind, BAD if kind == "render" else WARNING, "not offered", reason)


def renders(offer: plugins.PluginOffer) -> Diagnosis:
    """Check that Blender was found and works in its sandbox."""
    if offer.render is None or offer.render.found is None:
        program = blender_discovery.find()
        if program is None:
            return Diagnosis("blender", BAD, "not found", blender_discovery.how_to_get_blender())
        why = offer.not_offered.get("render", "it was not tested")
        return Diagnosis("blender", BAD, f"{program.kind} was found but does not render", why)
    found = offer.render.found
    return Diagnosis(
        "blender", GOOD, f"{found.version} ({found.renderer.kind}), build {found.build}"
    )


def opengl(offer: plugins.PluginOffer) -> Diagnosis:
    """Check that EEVEE and Workbench can draw."""
    if offer.opengl:
        by = f" with {offer.drawing}" if offer.drawing else ""
        return Diagnosis("opengl", GOOD, f"EEVEE and Workbench work{by}")
    if offer.opengl is None:
        return Diagnosis("opengl", WARNING, "unknown: the test took too long or too much memory")
    said = "none: this node gets no EEVEE or Workbench scenes; Cycles does not need it"
    return Diagnosis("opengl", WARNING, said, HOW_TO_GET_OPENGL)


def box(offer: plugins.PluginOffer) -> Diagnosis:
    """Check the sandbox."""
    if not offer.has_sandbox:
        return Diagnosis("sandbox", WARNING, OFF, INSTALL_BWRAP)
    given = sandbox.find(())
    if isinstance(given, sandbox.SandboxUnavailable):
        return Diagnosis("sandbox", BAD, "none: no scene is rendered", given.reason)
    if offer.render is None:
        return Diagnosis("sandbox", WARNING, "bubblewrap was found, but nothing was tested in it")
    filtered = "with" if filter_of() is not None else "without"
    return Diagnosis("sandbox", GOOD, f"bubblewrap, {filtered} a system call filter")
