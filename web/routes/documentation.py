"""The OpenAPI document, and two pages to read it."""

from pathlib import Path
from typing import Any, Final

from aiohttp import web

from web.http.operations import Audience, Call, Handler, Operations
from web.openapi.served_document import DESCRIPTION

operations = Operations(audience=Audience.PUBLIC)
FOLDER: Final = Path(__file__).parent.parent / "documentation"
MEDIA: Final = {".js": "text/javascript", ".css": "text/css", ".html": "text/html"}
# The policy allows nothing external and nothing inline. ReDoc also loads its maker's logo from a
# CDN, and searches in a worker made from text; both are blocked: the logo is not shown, and the
# search is off.
NOTHING_INLINE: Final = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "style-src 'self'"
)
# ReDoc creates two style elements, whose hashes these are. The first element is empty: its rules
# come through the CSSOM, which no policy forbids. The second element has the rules of the scroll
# bars.
STYLES_OF_REDOC: Final = (
    " 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
    " 'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='"
)
AGAIN: Final = {"Cache-Control": "no-cache"}  # cached by browsers, and revalidated by ETag
CREATION_SECONDS: Final = 10.0  # deadline of an answer: a busy machine creates the document slowly


@operations.get(
    "/openapi.json",
    rate="probe",
    within=CREATION_SECONDS,
    answers={200: dict[str, Any], 304: None},
    example={"openapi": "3.1.1"},
)
async def openapi(call: Call) -> web.Response:
    """Get this description (OpenAPI 3.1)."""
    document = await call.request.app[DESCRIPTION].served()
    known = call.request.if_none_match or ()
    if any(tag.value in (document.etag, "*") for tag in known):
        answer = web.Response(status=304, headers=AGAIN)
    else:
        answer = web.Response(body=document.body, content_type="application/json", headers=AGAIN)
    answer.etag = document.etag
    return answer


@operations.get(
    "/docs",
    rate="probe",
    answers={200: str, 304: None},
    media="text/html",
)
async def docs(call: Call) -> web.FileResponse:
    """Show this description in Swagger UI."""
    return page("docs.html", NOTHING_INLINE)


@operations.get(
    "/redoc",
    rate="probe",
    answers={200: str, 304: None},
    media="text/html",
)
async def redoc(call: Call) -> web.FileResponse:
    """Show this description in ReDoc."""
    return page("redoc.html", NOTHING_INLINE + STYLES_OF_REDOC)


def page(name: str, policy: str) -> web.FileResponse:
    headers = {**AGAIN, "Content-Type": "text/html", "Content-Security-Policy": policy}
    return web.FileResponse(FOLDER / "pages" / name, headers=headers)


def part(path: Path) -> Handler:
    """Return a handler that serves ``path``, a script or style sheet of the documentation pages."""

    async def serve(call: Call) -> web.FileResponse:
        """Get a script or style sheet of the documentation pages."""
        headers = {**AGAIN, "Content-Type": MEDIA[path.suffix]}
        return web.FileResponse(path, headers=headers)

    return serve


# Each file is a separate operation, so that no request can name another file.
for found in (*sorted(FOLDER.glob("vendored/*")), *sorted(FOLDER.glob("pages/*"))):
    if found.suffix in (".js", ".css"):
        operations.get(
            f"/documentation/{found.name}",
            rate="probe",
            answers={200: str},
            media=MEDIA[found.suffix],
            hidden=True,
        )(part(found))
