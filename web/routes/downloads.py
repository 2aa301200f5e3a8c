"""Downloads: the Python package of this version, the script that joins a machine, and Blender's
extension.
"""

import asyncio
from pathlib import Path
from typing import Annotated, Final

import attrs
from aiohttp import web
from msgspec import Meta

import rendertrust
from rendertrust.api.downloads import DownloadableFile, Downloads, ExtensionRepository
from rendertrust.api.refusal_code import RefusalCode
from rendertrust.program_version import DOWNLOAD, JOIN_SCRIPT, install_line
from rendertrust.renderer_list import SIGNED_NAME
from web.downloads.addons import OfferedAddon, downloadable_addon, offered_addons
from web.downloads.extensions import (
    INDEX,
    Extension,
    downloadable,
    extension_folders,
    found_extensions,
    repository,
)
from web.downloads.join_script import join_script
from web.downloads.npm_package import NpmPackage, npm_package
from web.downloads.release_signature import release_signature
from web.downloads.renderers import listed_renderers
from web.downloads.wheel import Wheel, built_wheel
from web.gateway import Gateway
from web.http.operations import Audience, Call, Operations
from web.http.problem import Problem
from web.openapi.examples import downloads as examples

operations = Operations(audience=Audience.PUBLIC)
BINARY: Final = "application/octet-stream"
ZIP: Final = "application/zip"
FRESH: Final = {"Cache-Control": "no-cache"}
NO_WHEEL: Final = Problem(
    404,
    "This gateway lacks the sources of the package: its admin should install a whole checkout",
    code=RefusalCode.NOT_FOUND,
)
NO_LIST: Final = Problem(
    404,
    "This gateway has no signed list of renderers: its log is empty, or its checkout incomplete",
    code=RefusalCode.NOT_FOUND,
)
GONE: Final = Problem(
    404, "The file is being replaced: try again in a minute", code=RefusalCode.NOT_FOUND
)


@attrs.frozen
class FileWord:
    """A file by its name."""

    name: Annotated[
        str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,149}$", description="the file's name")
    ]


@operations.get(
    "/api/v1/downloads",
    example=examples.DOWNLOADS,
    rate="probe",
    refusals={404: "The gateway lacks the package's sources"},
)
async def index(call: Call) -> Downloads | Problem:
    """Get which files the gateway hands out, their hashes, and the line that installs them."""
    return await downloads(call.gateway, call.base)


@operations.get(
    f"{DOWNLOAD}/{INDEX}",
    example=examples.EXTENSION_REPOSITORY,
    rate="probe",
    refusals={404: "The gateway lacks the package's sources"},
)
async def extensions(call: Call) -> ExtensionRepository | Problem:
    """Get Blender's extension as a repository, in the format that Blender reads.

    Blender adds this URL to its repositories when somebody drags a ``drop_url`` into its window,
    and then asks it for updates. Without entries the gateway's admin has not built the extension.
    """
    wheel = await the_wheel()
    if isinstance(wheel, Problem):
        return wheel
    return repository(await the_extensions(call.gateway, wheel))


@operations.get(
    DOWNLOAD + "/{name}",
    words=FileWord,
    answers={200: bytes},
    media=BINARY,
    rate="probe",
    refusals={404: "The gateway has no such file"},
)
async def download(call: Call) -> web.Response | Problem:
    """Get a file that the gateway hands out. Its version is the gateway's."""
    name = call.words["name"]
    if name == SIGNED_NAME:
        return await signed_renderers(call.gateway)
    package = await asyncio.to_thread(npm_package)
    if package is not None and name == package.name:
        return web.Response(body=package.body, content_type=BINARY, headers=FRESH)
    for addon in await the_addons(call.gateway):
        if name == addon.name:
            return await zip_response(addon.path)
    wheel = await the_wheel()
    if isinstance(wheel, Problem):
        return wheel
    if name == wheel.name:
        return web.Response(body=wheel.body, content_type=BINARY, headers=FRESH)
    found = await the_extensions(call.gateway, wheel)
    chosen = next((each for each in found if each.name == name), None)
    if chosen is None:
        names = ", ".join((wheel.name, *(each.name for each in found)))
        said = f"This gateway hands out {names}: get the line or link again"
        return Problem(404, said, code=RefusalCode.NOT_FOUND)
    return await zip_response(chosen.path)


@operations.get(
    JOIN_SCRIPT,
    answers={200: str},
    media="text/plain",
    rate="probe",
    refusals={404: "The gateway lacks the package's sources"},
)
async def script(call: Call) -> web.Response | Problem:
    """Get the script that installs the package on a machine, and joins the machine as a node.

    It runs in a POSIX shell, and takes a join code as its argument. It installs only the wheel
    whose hash it names.
    """
    wheel = await the_wheel()
    if isinstance(wheel, Problem):
        return wheel
    text = join_script(address(call.gateway, call.base), wheel)
    return web.Response(text=text, content_type="text/plain", headers=FRESH)


async def downloads(gateway: Gateway, base: str | None) -> Downloads | Problem:
    """Return what the gateway hands out. ``base``: the gateway's address, as the caller sees it;
    None: the address in the settings.
    """
    wheel = await the_wheel()
    if isinstance(wheel, Problem):
        return wheel
    url = address(gateway, base)
    package = await asyncio.to_thread(npm_package)
    found = await the_extensions(gateway, wheel)
    signed = await asyncio.to_thread(release_signature, wheel)
    return Downloads(
        version=rendertrust.__version__,
        wheel=described(url, wheel),
        install=install_line(url, wheel.name, wheel.sha256),
        join_script=url + JOIN_SCRIPT,
        extensions=tuple(downloadable(each, url + DOWNLOAD) for each in found),
        extension_repository=f"{url}{DOWNLOAD}/{INDEX}",
        typescript=None if package is None else described(url, package),
        release_key=signed.key,
        signature=signed.statement,
        addons=tuple(downloadable_addon(each, url) for each in await the_addons(gateway)),
    )


async def signed_renderers(gateway: Gateway) -> web.Response | Problem:
    """Return the list of renderers as a note, signed by the log's keys."""
    newest = await gateway.tables.proofs.newest()
    if newest is None:
        return NO_LIST
    try:
        listed = await asyncio.to_thread(listed_renderers)
    except (OSError, ValueError):
        return NO_LIST
    text = gateway.ports.signer.sign_renderers(newest.origin, listed)
    return web.Response(text=text, content_type="text/plain", headers=FRESH)


async def the_extensions(gateway: Gateway, wheel: Wheel) -> tuple[Extension, ...]:
    """Return the zips of Blender's extension, which are read in a thread."""
    folders = extension_folders(gateway.settings)
    return await asyncio.to_thread(found_extensions, folders, wheel)


async def the_addons(gateway: Gateway) -> tuple[OfferedAddon, ...]:
    """Return the add-ons that scenes may use, whose zips are read in a thread."""
    return await asyncio.to_thread(offered_addons, gateway.settings)


async def zip_response(path: Path) -> web.Response | Problem:
    """Return a zip as a response."""
    try:
        body = await asyncio.to_thread(path.read_bytes)
    except OSError:
        return GONE
    return web.Response(body=body, content_type=ZIP, headers=FRESH)


def described(url: str, file: Wheel | NpmPackage) -> DownloadableFile:
    """Return the description of a file that the gateway at ``url`` hands out."""
    address = f"{url}{DOWNLOAD}/{file.name}"
    return DownloadableFile(file.name, address, file.sha256, len(file.body))


async def the_wheel() -> Wheel | Problem:
    """Return the wheel, which is built in a thread at the first call."""
    try:
        return await asyncio.to_thread(built_wheel)
    except OSError:
        return NO_WHEEL


async def shown_release_key() -> str | None:
    """Return the release key that the gateway shows to nodes; None if it shows none."""
    wheel = await the_wheel()
    if isinstance(wheel, Problem):
        return None
    return (await asyncio.to_thread(release_signature, wheel)).key


def address(gateway: Gateway, base: str | None) -> str:
    """Return the gateway's address without a slash at its end."""
    return (base or gateway.url()).rstrip("/")
