"""Public page of a receipt: its verdict, what was compared, and by which kind of verifier."""

import re
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import orjson
from aiohttp import web

from rendertrust.comparison_method import ComparisonMethod
from rendertrust.job_types import RENDER, RENDERED
from rendertrust.verdict_reason import explain
from sql.receipts import ShownReceipt
from web.console.page_responses import frame_of, html
from web.console.registry import ROOT, Pages
from web.console.session import known_user
from web.console.view import Shown
from web.gateway import Gateway
from web.http.converter import uuid_of
from web.http.problem import Problem

PATH: Final = f"{ROOT}/receipts/{{job_id}}/{{number}}/page"
NUMBER: Final = re.compile(r"[0-9]{1,7}", re.ASCII)
NONE: Final = Problem(404, "There is no receipt")
MEANINGS: Final = {
    "exact": "Equal to a render of the scene, to the last bit.",
    "consistent": "Equal to a render of the scene within the noise of rendering.",
    "sampled-out": "Opened by a verifier, and not sampled for comparison.",
    "unverified": "No check was requested.",
    "unverifiable": "The checks did not decide.",
}
OF_PLUGINS: Final = {
    **MEANINGS,
    "exact": "Equal to what the verifier's plugin computed, to the last bit.",
    "consistent": "Valid by the check of the verifier's plugin.",
    "sampled-out": "Not sampled for a check.",
}


class ReceiptPage:
    """Handler of the page. The page shows only what a holder of the receipt may know."""

    def __init__(self, gateway: Gateway, pages: Pages) -> None:
        self._gateway, self._pages = gateway, pages

    async def show(self, request: web.Request) -> web.StreamResponse | Problem:
        """Return the page of a unit's receipt."""
        job, number = uuid_of(request.match_info["job_id"]), request.match_info["number"]
        if job is None or not NUMBER.fullmatch(number):
            return NONE
        receipts = self._gateway.tables.receipts
        row = await receipts.shown(job, int(number))
        if row is None:
            return NONE
        context = {
            "title": "Receipt",
            "frame": frame_of(request, self._pages, None, None),
            "job": job,
            "number": int(number),
            "named": frame_in(orjson.loads(row.document)),
            "row": row,
            **verification_of(row),
            "is_own": await self._is_own(request, job),
            "withdrawn": await receipts.withdrawn(job, int(number)),
        }
        return html(request, self._gateway, "receipt.html", context, 200)

    async def _is_own(self, request: web.Request, job: UUID) -> bool:
        """Return True if the job is of the user who is signed in."""
        user = await known_user(self._gateway, request)
        return user is not None and await self._gateway.tables.jobs.by_id(job, user) is not None


def verification_of(row: ShownReceipt) -> Shown:
    """Return the verdict on a receipt's result, and how it was found."""
    document = orjson.loads(row.document)
    verdict = document["verdict"]
    return {
        "verdict": verdict,
        "meaning": meaning_of(verdict, document.get("reason"), job_type_of(document)),
        "compared": compared_of(row),
        "distance": distance_of(row),
        "verifier": verifier_of(row),
    }


def frame_in(document: Mapping[str, Any]) -> int | None:
    """Return the frame that a receipt is about; None if it is not about one frame."""
    frame = document.get("work", {}).get("parameters", {}).get("frame")
    return frame if isinstance(frame, int) else None


def job_type_of(document: Mapping[str, Any]) -> str:
    """Return the job type that a receipt names."""
    return str(document.get("work", {}).get("job_type", RENDER))


def meaning_of(verdict: str, reason: str | None, job_type: str) -> str:
    """Return what a verdict on a result of a job type means, and the reason of an unverified or
    unverifiable result.
    """
    said = (MEANINGS if job_type in RENDERED else OF_PLUGINS).get(verdict, "")
    return f"{said[:-1]}: {explain(reason)}." if reason and said else said


def compared_of(row: ShownReceipt) -> str:
    """Return what a verifier compared."""
    if row.compared is None:
        return "Nothing: the file was opened" if row.is_verified else "Nothing"
    if row.compared == "plugin":
        return "The result, by the check of its job type"
    parts = "The whole frame" if row.compared == "whole" else "Regions"
    rendered = f"{parts}, rendered again"
    if row.method == ComparisonMethod.OTHER_SEEDS:
        rendered += " with other seeds, because the node has another kind of device"
    return f"{rendered}; and the picture, made again from the evidence" if row.remade else rendered


def distance_of(row: ShownReceipt) -> str | None:
    """Return how far the result was from the verifier's render; None if nothing was compared."""
    if row.compared is None:
        return None
    if row.distance == 0:
        return "None: equal to the last bit"
    if row.compared == "plugin":
        return None
    if row.distance is None:
        return "It cannot be measured"
    return f"at most {row.distance:.3g} times the noise between two honest renders"


def verifier_of(row: ShownReceipt) -> str | None:
    """Return the kind of verifier; None if there was none."""
    if not row.is_verified:
        return None
    kind = "embedded in the gateway" if row.is_embedded else "a separate machine of the gateway"
    return f"{kind}, {row.verifier_class}" if row.verifier_class else kind
