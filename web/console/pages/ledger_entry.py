"""Entry page: a ledger entry and its proof, recomputed in the browser; also as a file to save."""

import asyncio
import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

import attrs
from aiohttp import web
from markupsafe import Markup
from msgspec import Meta

from sql.credits import EntryFilter, LedgerViews
from web.console import template_rendering
from web.console.assets import STYLE, assets, sources
from web.console.pages.ledger import KIND_WORDS
from web.console.registry import Pages
from web.console.view import OVERSEERS, Shown, View
from web.gateway import Gateway
from web.http.operations import Call, Operations
from web.http.problem import Problem
from web.routes.anchors import held_against_chain
from web.routes.ledger import ENTRY_NOT_FOUND, LogPosition, logged_position, proof_of

pages = Pages()
files = Operations()
CHAIN_SECONDS: Final = 1.0
Number = Annotated[int, Meta(ge=1, le=2**63 - 1)]
SCRIPTS: Final = ("sha256.js", "note.js", "proof_check.js", "proof.js")  # in order of import
_IMPORT: Final = re.compile(r"^import .*;\n", re.MULTILINE)
_EXPORT: Final = re.compile(r"^export ", re.MULTILINE)


@attrs.frozen
class EntryQuery:
    number: Number


@pages.page(
    "/ledger/entry",
    "Entry",
    "entry.html",
    live=("proof", "asked"),
    every=10.0,
    rest=5.0,
    absent=ENTRY_NOT_FOUND,
)
async def entry(view: View[EntryQuery]) -> Shown | Problem:
    """Return the entry's leaf, its path to the root, and the gateway's statement about the
    chain.
    """
    found = await logged_position(view.gateway, view.owner, view.query.number)
    if isinstance(found, Problem):
        return found
    number, views = view.query.number, LedgerViews(view.gateway.database)
    rows = await views.page(view.owner, EntryFilter(before=number + 1), 1)
    return {
        "title": f"Entry no. {number}",
        "number": number,
        "about": next((row for row in rows if row.entry_id == number), None),
        "everybody": view.who.role in OVERSEERS,
        "words": KIND_WORDS,
        **await shown_proof(view.gateway, found),
    }


@attrs.frozen
class EntryPath:
    number: Annotated[
        str, Meta(pattern=r"^[1-9][0-9]{0,17}$", description="a whole number above 0")
    ]


@files.get(
    "/console/ledger/file/{number}",
    words=EntryPath,
    answers={200: str},
    media="text/html",
    hidden=True,
    absent=ENTRY_NOT_FOUND,
)
async def saved(call: Call) -> web.Response | Problem:
    """Return the proof as one HTML file that works offline."""
    assert call.claims is not None, "the console needs a session"
    owner = None if call.claims.role in OVERSEERS else call.caller
    number = int(call.words["number"])
    found = await logged_position(call.gateway, owner, number)
    if isinstance(found, Problem):
        return ENTRY_NOT_FOUND if found.status == ENTRY_NOT_FOUND.status else found
    text = proof_file({"number": number, **await shown_proof(call.gateway, found)})
    answer = web.Response(text=text, content_type="text/html")
    answer.headers["Content-Disposition"] = f'attachment; filename="proof-{number}.html"'
    answer.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    answer.headers["Cache-Control"] = "no-store"
    return answer


pages.call("/ledger/file/{number}", files, saved)


async def shown_proof(gateway: Gateway, position: LogPosition) -> Shown:
    """Return the data for the proof viewer: the proof as in the API, and the statement about the
    chain.
    """
    proof = await proof_of(gateway, position)
    return {
        "proof": attrs.asdict(proof),
        "chain": await _chain(gateway, position),
        "asked_at": gateway.ports.clock.now(),
    }


async def _chain(gateway: Gateway, position: LogPosition) -> dict[str, Any]:
    try:
        async with asyncio.timeout(CHAIN_SECONDS):
            found = await held_against_chain(gateway, position)
    except TimeoutError:
        found = None
    if found is None or isinstance(found, Problem):
        return {"state": "away", "verified": False, "reason": "the chain does not answer now"}
    return attrs.asdict(found)


def proof_file(shown: Mapping[str, Any]) -> str:
    """Return the proof viewer as one HTML file. The file's policy allows only the script and the
    style that are inside the file.
    """
    style = _whole(STYLE, assets().files[STYLE].plain)
    texts = [
        _whole(name, sources()[name]) for name in SCRIPTS
    ]  # unminified scripts, so that people can read how a proof is checked
    script = "\n".join(_EXPORT.sub("", _IMPORT.sub("", text)) for text in texts)
    policy = f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'"
    # The text between these tags must not change after its hash is computed.
    return template_rendering.page(
        "proof_file.html",
        {
            **shown,
            "policy": policy,
            "style": Markup("<style>{}</style>").format(Markup(style)),  # noqa: S704
            "script": Markup('<script type="module">{}</script>').format(Markup(script)),  # noqa: S704
        },
    )


def _whole(name: str, plain: bytes) -> str:
    text = plain.decode()
    assert "</" not in text, f"{name} would end its own tag"
    return text


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
