"""The console's static files, bundled and compressed once. A file's path changes with its content.

The files are read when the gateway starts; the source files are not served separately. A script is
bundled with the modules that only it imports; all styles become one file.
"""

import gzip
import hashlib
import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

import attrs
from aiohttp import ETag, hdrs, web

FOLDER: Final = Path(__file__).parent
OWN, VENDORED = FOLDER / "static", FOLDER / "vendored"
PACKED: Final = FOLDER / "packed"  # written by scripts/pack_console.py
MEDIA: Final = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
STATIC: Final = "/console/static"
FOR_EVER: Final = "public, max-age=31536000, immutable"
AGAIN: Final = "no-cache"
WORKERS: Final = "default-src 'none'; connect-src 'self'; frame-ancestors 'none'"
STYLE: Final = "console.css"  # the file to which all styles are appended
_IMPORT: Final = re.compile(r'^import .* from "\./(\S+)";\n', re.MULTILINE)
_NAMES: Final = re.compile(r'^import \{ (.*) \} from "\./(\S+)";\n', re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?=(async )?(function|class|const) )", re.MULTILINE)


@attrs.frozen
class Asset:
    """A file as it is sent. ``brotli``: the smaller form, if the file was packed."""

    name: str
    media: str
    plain: bytes = attrs.field(repr=False)
    compressed: bytes = attrs.field(repr=False)
    brotli: bytes | None = attrs.field(default=None, repr=False)

    @property
    def tag(self) -> str:
        return hashlib.sha256(self.plain).hexdigest()[:20]

    def taken(self, accepted: str) -> tuple[bytes, str]:
        """Return the smallest accepted form and its encoding; browsers accept br only over TLS."""
        if self.brotli is not None and "br" in accepted.replace(" ", "").split(","):
            return self.brotli, "br"
        return (self.compressed, "gzip") if "gzip" in accepted else (self.plain, "")


@attrs.frozen
class Assets:
    """All static files, below one versioned folder name, so that scripts can import each other."""

    files: dict[str, Asset]
    version: str

    def url(self, name: str) -> str:
        """Return a file's URL; raise KeyError if there is none. All styles are in one file."""
        return f"{STATIC}/{self.version}/{self.files[name].name}"

    async def serve(self, request: web.Request) -> web.Response:
        """Serve a file.

        A page that another gateway served may ask for another version; the answer is this gateway's
        version.
        """
        asset = self.files.get(request.match_info["name"])
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
        if asset.media == MEDIA[".js"]:  # a worker does not inherit the page's policy
            answer.headers["Content-Security-Policy"] = WORKERS
        answer.etag = ETag(asset.tag, is_weak=True)  # weak, as the file has several encodings
        return answer


@cache
def assets(packed: Path = PACKED) -> Assets:
    """Read and compress the files once; ``packed`` is the folder of packed files.

    A file changed since it was packed is sent as written, so that changes need no build.
    """
    fitting = fits(packed)
    files = {name: _asset(name, text, packed, fitting) for name, text in sources().items()}
    whole = hashlib.sha256()
    for name in sorted(files):
        whole.update(f"{name} {files[name].tag}\n".encode())
    return Assets(files, whole.hexdigest()[:16])


@cache
def sources() -> dict[str, bytes]:
    """Return all files that are sent, unminified, by name."""
    own = bundles({path.name: path.read_text() for path in _files(OWN, ".js", ".css")})
    others = [*_files(OWN, ".svg"), *_files(VENDORED, *MEDIA)]
    return {name: text.encode() for name, text in own.items()} | {
        path.name: path.read_bytes() for path in others
    }


def fits(packed: Path) -> frozenset[str]:
    """Return the names of packed files that are up to date."""
    manifest = packed / "manifest.json"
    hashes: dict[str, dict[str, str]] = {}
    if manifest.exists():
        hashes = json.loads(manifest.read_text())
    now = {name: hashlib.sha256(text).hexdigest() for name, text in sources().items()}
    return frozenset(name for name in now if name in hashes and hashes[name]["of"] == now[name])


def _files(folder: Path, *endings: str) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in endings)


def _asset(name: str, text: bytes, packed: Path, fitting: Collection[str]) -> Asset:
    """Return the asset; ``packed`` has the minified scripts and the Brotli form of all files."""
    media, brotli = MEDIA[Path(name).suffix], None
    if name in fitting:
        text = (packed / name).read_bytes() if (packed / name).exists() else text
        brotli = (packed / f"{name}.br").read_bytes()
    return Asset(name, media, text, gzip.compress(text, 9, mtime=0), brotli)


def bundles(sources: Mapping[str, str]) -> dict[str, str]:
    """Return the bundles by name; ``sources`` are the files by name."""
    scripts = {name: text for name, text in sources.items() if name.endswith(".js")}
    times = Counter(part for text in scripts.values() for part in _IMPORT.findall(text))
    shared = {part for part, number in times.items() if number > 1}
    sent = [name for name in scripts if name not in times or name in shared]
    return {name: script(name, scripts, shared) for name in sent} | {STYLE: style(sources)}


def script(name: str, sources: Mapping[str, str], shared: Collection[str] = ()) -> str:
    """Return a module, preceded by the modules that only it imports.

    The joined modules share one scope, so their top-level names must differ. What they import from
    shared modules is imported once.
    """
    *parts, last = [sources[part] for part in _parts(name, sources, shared)]
    texts = [*(_EXPORT.sub("", text) for text in parts), last]
    names: dict[str, set[str]] = {}
    for text in texts:
        for imported, source in _NAMES.findall(text):
            if source in shared:
                names.setdefault(source, set()).update(imported.split(", "))
    imports = (
        f'import {{ {", ".join(sorted(names[source]))} }} from "./{source}";\n'
        for source in sorted(names)
    )
    return "".join([*imports, *(_IMPORT.sub("", text) for text in texts)])


def style(sources: Mapping[str, str]) -> str:
    """Return all styles as one text; the styles that all pages use come first."""
    names = sorted(name for name in sources if name.endswith(".css") and name != STYLE)
    return "".join(sources[name] for name in [STYLE, *names])


def _parts(name: str, sources: Mapping[str, str], shared: Collection[str]) -> Iterator[str]:
    for part in _IMPORT.findall(sources[name]):
        if part not in shared:
            yield from _parts(part, sources, shared)
    yield name
