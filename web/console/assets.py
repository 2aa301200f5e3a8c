"""The console's own files: compressed once, under a path that changes with what they hold."""

import gzip
import hashlib
import json
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Final

import attrs
from aiohttp import ETag, hdrs, web

from web.console.asset_bundle import STYLE, bundles

FOLDER: Final = Path(__file__).parent
OWN, VENDORED = FOLDER / "static", FOLDER / "vendored"
PACKED: Final = FOLDER / "packed"  # written by scripts/pack_console.py
MEDIA: Final = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
STATIC: Final = "/console/static"
FOR_EVER: Final = "public, max-age=31536000, immutable"
AGAIN: Final = "no-cache"
WORKERS: Final = "default-src 'none'; connect-src 'self'; frame-ancestors 'none'"


@attrs.frozen
class Asset:
    """A file as it is sent. ``brotli``: smaller still; where it was packed before."""

    name: str
    media: str
    plain: bytes = attrs.field(repr=False)
    compressed: bytes = attrs.field(repr=False)
    brotli: bytes | None = attrs.field(default=None, repr=False)

    @property
    def tag(self) -> str:
        return hashlib.sha256(self.plain).hexdigest()[:20]

    def taken(self, accepted: str) -> tuple[bytes, str]:
        """The smallest that is accepted, and how it is encoded. Only over TLS is it brotli."""
        if self.brotli is not None and "br" in accepted.replace(" ", "").split(","):
            return self.brotli, "br"
        return (self.compressed, "gzip") if "gzip" in accepted else (self.plain, "")


@attrs.frozen
class Assets:
    """All of them, and one name for just these: their modules find each other beside them."""

    files: dict[str, Asset]
    version: str

    def url(self, name: str) -> str:
        """Where a page finds a file. KeyError when there is none; all styles are in one."""
        return f"{STATIC}/{self.version}/{self.files[sent_as(name)].name}"

    async def serve(self, request: web.Request) -> web.Response:
        """One file; of another version, as a gateway beside us asks for, what there is here."""
        asset = self.files.get(sent_as(request.match_info["name"]))
        if asset is None:
            raise web.HTTPNotFound
        known = request.if_none_match or ()
        if any(tag.value in (asset.tag, "*") for tag in known):
            return self._finished(request, asset, web.Response(status=304))
        body, encoding = asset.taken(request.headers.get(hdrs.ACCEPT_ENCODING, ""))
        answer = web.Response(body=body, content_type=asset.media, charset="utf-8")
        if encoding:
            answer.headers[hdrs.CONTENT_ENCODING] = encoding
        return self._finished(request, asset, answer)

    def _finished(self, request: web.Request, asset: Asset, answer: web.Response) -> web.Response:
        ours = request.match_info["version"] == self.version
        answer.headers[hdrs.CACHE_CONTROL] = FOR_EVER if ours else AGAIN
        answer.headers[hdrs.VARY] = "Accept-Encoding"
        if asset.media == MEDIA[".js"]:  # one that runs as a worker has no page's policy
            answer.headers["Content-Security-Policy"] = WORKERS
        answer.etag = ETag(asset.tag, is_weak=True)  # it has several encodings
        return answer


def sent_as(name: str) -> str:
    """The name of what a file is sent in."""
    return STYLE if name.endswith(".css") else name


@cache
def assets(packed: Path = PACKED) -> Assets:
    """Read and compress them, once; ``packed`` is where they lie as they were packed.

    What was changed since it was packed is sent as it is written: nothing has to be made to see it.
    """
    fitting = fits(packed)
    files = {name: _asset(name, text, packed, fitting) for name, text in sources().items()}
    whole = hashlib.sha256()
    for name in sorted(files):
        whole.update(f"{name} {files[name].tag}\n".encode())
    return Assets(files, whole.hexdigest()[:16])


@cache
def sources() -> dict[str, bytes]:
    """All that is sent, by its name, as people read it."""
    own = bundles({path.name: path.read_text() for path in _files(OWN, ".js", ".css")})
    others = [*_files(OWN, ".svg"), *_files(VENDORED, *MEDIA)]
    return {name: text.encode() for name, text in own.items()} | {
        path.name: path.read_bytes() for path in others
    }


def fits(packed: Path) -> frozenset[str]:
    """The names of what was packed of just what it would be packed of now."""
    manifest = packed / "manifest.json"
    hashes: dict[str, dict[str, str]] = {}
    if manifest.exists():
        hashes = json.loads(manifest.read_text())
    now = {name: hashlib.sha256(text).hexdigest() for name, text in sources().items()}
    return frozenset(name for name in now if name in hashes and hashes[name]["of"] == now[name])


def _files(folder: Path, *endings: str) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in endings)


def _asset(name: str, text: bytes, packed: Path, fitting: Collection[str]) -> Asset:
    """``packed`` has the short form of what is made short, and the brotli of all."""
    media, brotli = MEDIA[Path(name).suffix], None
    if name in fitting:
        text = (packed / name).read_bytes() if (packed / name).exists() else text
        brotli = (packed / f"{name}.br").read_bytes()
    return Asset(name, media, text, gzip.compress(text, 9, mtime=0), brotli)
