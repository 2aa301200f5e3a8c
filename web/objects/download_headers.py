"""Headers of objects that are downloaded from the gateway's origin.

Uploads may have stored headers with an object. The gateway passes none of these headers on, and
decides an object's type and name itself.
"""

import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

import attrs
import structlog
from aiohttp import hdrs, web

from actors.ports import ObjectMissing, Objects, ObjectsUnavailable
from rendertrust.file_types import BYTES, HEAD_BYTES, MEDIA, attachment, suffix_of
from supervisors.engines.s3_signing import DISPOSITION

REMEMBERED_MAX: Final = 10_000
# The store's headers that describe the sent bytes.
KEPT: Final = (
    hdrs.ACCEPT_RANGES,
    hdrs.CONTENT_LENGTH,
    hdrs.CONTENT_RANGE,
    hdrs.ETAG,
    hdrs.LAST_MODIFIED,
    hdrs.RETRY_AFTER,
)
# Anybody may have put an object into the bucket, so it must not run as a page of the gateway's
# origin.
SAFE: Final = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_RESULT: Final = re.compile(
    r"results/[0-9a-f-]{36}/(?P<job>[0-9a-f-]{36})/(?P<unit>\d{1,9})/\d{1,9}/(result|evidence)",
    re.ASCII,
)
# What the gateway signs as the name of a download.
_ATTACHMENT: Final = re.compile(
    r"""attachment; filename="[A-Za-z0-9._ -]+"(; filename\*=UTF-8''[A-Za-z0-9._~%-]+)?""", re.ASCII
)

log = structlog.get_logger(__name__)


@attrs.define
class DownloadHeaders:
    """Makes the headers of downloads. ``_suffixes`` caches file types, as the object under a
    result's key never changes.
    """

    objects: Objects
    _suffixes: OrderedDict[str, str] = attrs.field(factory=OrderedDict[str, str])

    async def of(
        self, request: web.Request, status: int, told: Mapping[str, str], begin: bytes | None
    ) -> Mapping[str, str]:
        """Return the headers of the answer, for a ``status`` and the headers ``told`` by the store.

        ``begin``: the first bytes of the object, if known.
        """
        headers = {name: told[name] for name in KEPT if name in told} | SAFE
        is_read = request.method in (hdrs.METH_GET, hdrs.METH_HEAD)
        if is_read and status in (200, 206):
            key = request.match_info["key"]
            suffix = await self._suffix(key, begin) if _RESULT.fullmatch(key) else ""
            name = name_of(key, suffix)
            headers[hdrs.CONTENT_TYPE] = MEDIA.get(suffix, BYTES)
            signed = request.query.get(DISPOSITION, "")
            is_ours = _ATTACHMENT.fullmatch(signed) is not None
            headers[hdrs.CONTENT_DISPOSITION] = signed if is_ours else attachment(name)
        elif hdrs.CONTENT_TYPE in told:
            # an error message of the store keeps its own media type
            headers[hdrs.CONTENT_TYPE] = told[hdrs.CONTENT_TYPE]
        return headers

    async def _suffix(self, key: str, begin: bytes | None) -> str:
        """Return the suffix of a result, by its first bytes."""
        known = self._suffixes.get(key)
        if known is not None:
            return known
        try:
            found = suffix_of(
                await self.objects.piece(key, 0, HEAD_BYTES) if begin is None else begin
            )
        except (ObjectMissing, ObjectsUnavailable) as error:
            log.info("objects_kind_unknown", error=type(error).__name__)
            return ""
        self._suffixes[key] = found
        while len(self._suffixes) > REMEMBERED_MAX:
            self._suffixes.popitem(last=False)
        return found


def name_of(key: str, suffix: str) -> str:
    """Return the file name for an object: by job and unit, or by the end of its key."""
    found = _RESULT.fullmatch(key)
    if found is None:
        return re.sub(r"[^A-Za-z0-9._-]", "_", key.rpartition("/")[2])
    beside = "" if found[3] == "result" else f"-{found[3]}"
    return f"{found['job']}-{found['unit']}{beside}{suffix}"
