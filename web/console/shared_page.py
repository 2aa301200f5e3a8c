"""Public page of a shared picture: the picture, its receipt, and downloads of both.

The link's token is in the query, which is not logged. No answer is indexed or cached, and none
sends its address to other sites. The gateway sends the picture itself: the object's address has the
id of its creator, and would outlive the link. An unknown link, one that was revoked or has expired,
one of a user who is gone, and a picture that is no longer kept or verified have the same answer.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

import attrs
import orjson
import structlog
from aiohttp import hdrs, web

from actors.ports import ObjectMissing, ObjectsUnavailable
from rendertrust.api.refusal_code import RefusalCode
from rendertrust.file_types import BYTES, MEDIA, suffix_of
from rendertrust.job_types import RENDER
from sql.link_tokens import TOKEN_MAX, digest_of
from sql.receipts import ShownReceipt
from sql.share_links import PAGE
from web.console.front_page import FRONT
from web.console.job_frames import is_displayed
from web.console.page_handler import LATE, PAGE_SECONDS
from web.console.page_responses import frame_of, html
from web.console.receipt_page import verification_of
from web.console.registry import Pages
from web.gateway import Gateway
from web.http.caller import CALLER
from web.http.problem import Problem, unavailable
from web.http.rate_gate import BUSY
from web.http.responses import encode
from web.jobs.shared_pictures import SharedPicture, picture_of
from web.objects.archives import leaving
from web.objects.checksums import ClientLeftError, content
from web.objects.download_headers import SAFE
from web.objects.transfer_rate import TransferRate, write_in_pace
from web.objects.zip_layout import ZipMember
from web.routes.ledger import known_position, proof_of
from web.routes.receipts import file_of
from web.routes.thumbnails import HARMLESS

SHARED: Final = PAGE
PICTURE: Final = f"{PAGE}/picture"
SMALL: Final = f"{PAGE}/thumbnail"
RECEIPT: Final = f"{PAGE}/receipt"
BELOW: Final = PAGE + "{rest:(/.*)?}"
SENT_MAX: Final = 64  # full pictures that are sent at once
SENT_TO_ONE_MAX: Final = 8  # of these, to one address
IDLE_SECONDS: Final = 30.0  # a client that takes no bytes for so long is disconnected
SENT_SECONDS: Final = 3_600.0
ALL_SENDING: Final = unavailable(
    "Too many pictures are being sent; try again", code=RefusalCode.GATEWAY_BUSY
)
NONE: Final = Problem(
    404,
    "This link shows nothing: it is unknown, has expired or was revoked, or the picture is gone",
)
HIDDEN: Final = {
    "X-Robots-Tag": "noindex, nofollow",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
CUT: Final = (ClientLeftError, ConnectionError, ObjectMissing, ObjectsUnavailable, TimeoutError)
log = structlog.get_logger("shared_page")


async def hide_links(request: web.Request, response: web.StreamResponse) -> None:
    """Add the headers that hide a link to each answer of the page and below it."""
    if request.path == SHARED or request.path.startswith(f"{SHARED}/"):
        response.headers.update(HIDDEN)


async def nothing(request: web.Request) -> Problem:
    """Refuse other methods, and paths below the page that do not exist."""
    if request.method not in (hdrs.METH_GET, hdrs.METH_HEAD):
        raise web.HTTPMethodNotAllowed(request.method, [hdrs.METH_GET, hdrs.METH_HEAD])
    return NONE


@attrs.frozen
class SharedView:
    """A picture that a link shows until ``until``, and how its receipt's verdict was found.

    ``size``: that of its object.
    """

    token: str = attrs.field(repr=False)
    until: datetime
    picture: SharedPicture
    size: int
    receipt: ShownReceipt

    def address(self, path: str) -> str:
        """Return the address of one of the page's parts."""
        return f"{path}?link={self.token}"


class SharedPage:
    """The page of a share link, and what it shows and downloads."""

    def __init__(self, gateway: Gateway, pages: Pages) -> None:
        self._gateway, self._pages = gateway, pages
        self._sending = Counter[str]()  # full pictures being sent, by the client's address

    async def show(self, request: web.Request) -> web.StreamResponse | Problem:
        """Return the page."""
        found = await self._found(request)
        if isinstance(found, Problem):
            return found
        gateway, picture = self._gateway, found.picture
        document = orjson.loads(found.receipt.document)
        shows_small = not is_displayed(RENDER, picture.params, 1)
        context = {
            "title": "Verified picture",
            "frame": frame_of(request, self._pages, None, None),
            "is_secret": True,
            "shown": found,
            "receipt": document,
            "row": found.receipt,
            **verification_of(found.receipt),
            "block": await self._block(picture),
            "is_test_chain": gateway.settings.chain.embedded,
            "picture": found.address(PICTURE),
            "small": found.address(SMALL) if shows_small and await self._small(found) else "",
            "shows_small": shows_small,
            "download": found.address(RECEIPT),
            "front": FRONT if gateway.settings.accounts.registration == "open" else "",
        }
        return html(request, gateway, "shared.html", context, 200)

    async def picture(self, request: web.Request) -> web.StreamResponse | Problem:
        """Send the full picture, piece by piece; only so many at once."""
        found = await self._found(request)
        if isinstance(found, Problem):
            return found
        client = request[CALLER].subject
        if self._sending[client] >= SENT_TO_ONE_MAX:
            return BUSY
        if self._sending.total() >= SENT_MAX:
            return ALL_SENDING
        self._sending[client] += 1
        try:
            return await self._send(request, found)
        finally:
            self._sending[client] -= 1
            if not self._sending[client]:
                del self._sending[client]

    async def _send(self, request: web.Request, found: SharedView) -> web.StreamResponse | Problem:
        member = ZipMember("", found.picture.key, 0, found.size)
        pieces = content(self._gateway.ports.objects, member, 0, leaving(request))
        try:
            async with asyncio.timeout(PAGE_SECONDS):
                begin = await anext(pieces, b"")
        except (ObjectMissing, ClientLeftError):
            return NONE
        except TimeoutError:
            return LATE
        suffix, receipt = suffix_of(begin), found.picture.receipt
        name = f"picture-{str(receipt.job_id)[:8]}-{receipt.unit}{suffix}"
        headers = {
            **SAFE,
            hdrs.CONTENT_TYPE: MEDIA.get(suffix, BYTES),
            hdrs.CONTENT_DISPOSITION: f'attachment; filename="{name}"',
        }
        response = web.StreamResponse(headers=headers)
        response.content_length = found.size
        await response.prepare(request)
        if request.method != hdrs.METH_HEAD:
            await _sent(request, response, begin, pieces)
        return response

    async def thumbnail(self, request: web.Request) -> web.StreamResponse | Problem:
        """Return the small picture that the node sent."""
        found = await self._found(request)
        small = found if isinstance(found, Problem) else await self._small(found)
        if isinstance(small, Problem):
            return small
        if small is None:
            return NONE
        return web.Response(body=small, content_type="image/jpeg", headers=HARMLESS)

    async def receipt(self, request: web.Request) -> web.StreamResponse | Problem:
        """Return the receipt's file, with a proof if its entry is in the log already."""
        found = await self._found(request)
        if isinstance(found, Problem):
            return found
        row = found.picture.receipt
        body = encode(await file_of(self._gateway, row, as_logged=True))
        name = f"receipt-{str(row.job_id)[:8]}-{row.unit}.json"
        headers = {hdrs.CONTENT_DISPOSITION: f'attachment; filename="{name}"'}
        return web.Response(body=body, content_type="application/json", headers=headers)

    async def _found(self, request: web.Request) -> SharedView | Problem:
        """Return what the request's link shows."""
        tokens = request.query.getall("link", [])
        if not self._gateway.settings.sharing.enabled or len(tokens) != 1:
            return NONE
        try:
            async with asyncio.timeout(PAGE_SECONDS):
                return await self._shown(tokens[0]) or NONE
        except TimeoutError:
            return LATE

    async def _shown(self, token: str) -> SharedView | None:
        gateway, now = self._gateway, self._gateway.ports.clock.now()
        if not token.isascii() or len(token) > TOKEN_MAX:
            return None
        link = await gateway.tables.share_links.find(digest_of(token), now)
        if link is None:
            return None
        picture = await picture_of(gateway, link.user_id, link.job_id, link.unit)
        receipt = await gateway.tables.receipts.shown(link.job_id, link.unit)
        if picture is None or receipt is None:
            return None
        stored = await gateway.ports.objects.head(picture.key)
        if stored is None:
            return None
        return SharedView(token.strip(), link.expires_at, picture, stored.size, receipt)

    async def _small(self, found: SharedView) -> bytes | None:
        picture = found.picture
        thumbnails, of = self._gateway.tables.thumbnails, picture.receipt
        small = await thumbnails.of_attempt(of.job_id, of.unit, of.attempt, picture.frame)
        return None if small is None else small.picture

    async def _block(self, picture: SharedPicture) -> int | None:
        """Return the block that anchors the payment, if there is one."""
        entry = picture.receipt.entry_id
        position = None if entry is None else await known_position(self._gateway, entry)
        return None if position is None else (await proof_of(self._gateway, position)).block_number


async def _sent(
    request: web.Request, response: web.StreamResponse, begin: bytes, rest: AsyncIterator[bytes]
) -> None:
    """Send the picture as fast as the client takes it, but not for ever."""
    pace = TransferRate()
    try:
        async with asyncio.timeout(SENT_SECONDS):
            await write_in_pace(response, begin, pace, IDLE_SECONDS)
            async for piece in rest:
                await write_in_pace(response, piece, pace, IDLE_SECONDS)
            await response.write_eof()
    except CUT as error:
        # The answer has begun: only a cut connection tells the client that the rest is missing.
        log.info("shared_picture_cut", error=type(error).__name__)
        if request.transport is not None:
            request.transport.abort()
