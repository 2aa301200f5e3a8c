"""The page that hands out the program, for everybody: the line that installs it, the script that
joins a machine, and Blender's extension.
"""

from collections.abc import Mapping
from typing import Final

import attrs
from aiohttp import web

from rendertrust.api.downloads import DownloadableExtension
from web.console.page_responses import frame_of, html
from web.console.registry import Pages
from web.console.session import is_known
from web.downloads.extension_build import is_being_built
from web.downloads.extensions import extension_folders
from web.gateway import Gateway
from web.http.problem import Problem
from web.http.public_host import reached_at
from web.routes.downloads import downloads

SYSTEMS: Final[Mapping[str, str]] = {
    "linux-x64": "Linux",
    "windows-x64": "Windows",
    "macos-arm64": "macOS (Apple silicon)",
}


@attrs.frozen
class ExtensionRow:
    """A row of the table of extensions: for which system, and for which versions of Blender."""

    file: DownloadableExtension

    @property
    def system(self) -> str:
        return SYSTEMS.get(self.file.platform, self.file.platform)

    @property
    def blenders(self) -> str:
        first, before = self.file.blender_from, self.file.blender_before
        newer = f"{short(first)} or newer"
        return newer if before is None else f"{newer}, before {short(before)}"


def short(version: str) -> str:
    """Return a version of Blender without the number of its correction: ``4.2`` for ``4.2.0``."""
    return version.removesuffix(".0")


class DownloadPage:
    def __init__(self, gateway: Gateway, pages: Pages) -> None:
        self._gateway, self._pages = gateway, pages

    async def show(self, request: web.Request) -> web.StreamResponse | Problem:
        gateway = self._gateway
        found = await downloads(gateway, reached_at(request, gateway.settings))
        if isinstance(found, Problem):
            return found
        context = {
            "title": "Download",
            "frame": frame_of(request, self._pages, None, None),
            "is_signed_in": await is_known(gateway, request),
            "found": found,
            "extensions": [ExtensionRow(each) for each in found.extensions],
            "is_being_built": is_being_built(extension_folders(gateway.settings)),
        }
        return html(request, gateway, "download.html", context, 200)
