"""Public page of a receipt: it shows to anyone what was compared, and by which verifier."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from actors.ledger.effects import (
    Comparison,
    DisputeDecide,
    DisputeOpen,
    UnitComplete,
    UnitDeliver,
    UnitVerdict,
)
from actors.ledger.messages import Posted
from rendertrust.receipt import IssuedReceipt
from sql.account_names import operator_account
from sql.receipts import ShownReceipt
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.stage import dispatch
from tests.integration.console.people import Visitor, nobody
from tests.integration.console.test_disputes import plain
from tests.integration.console.work import PRICE, joined
from tests.support.http_gateway import Face
from web.console.receipt_page import compared_of, distance_of, meaning_of, verifier_of

CLASS, OTHER_CLASS = "cpu/avx2/5.2", "optix/x86_64/5.2"
HASH, DAY = b"s" * 32, timedelta(days=1)


async def do(face: Face, *effects: Any) -> None:
    outcome = await face.do(*effects)
    assert isinstance(outcome, Posted), outcome


async def book_verified(face: Face, dsn: str, jane: Visitor, outcome: str, **how: Any) -> UUID:
    """Book a unit with a receipt of this verdict by an embedded verifier, and return the job."""
    job, node = uuid4(), await joined(dsn, ", owner_id", f", '{jane.id}'")
    verifier = await joined(dsn, ", is_embedded", ", true")
    order = dispatch(UUID(jane.id), job, PRICE, 1, node)
    await face.book(order)
    of, operator = (job, 0, 1), operator_account(UUID(jane.id))
    document = {"verdict": outcome, "work": {"parameters": {"frame": 12}}}
    receipt = IssuedReceipt(json.dumps(document), b"g" * 64, PRICE)
    given: dict[str, Any] = {"verifier": verifier, "receipt": receipt, **how}
    result = UnitComplete(*of, node, "x", HASH, 9, verified=True, operator=operator)
    await do(face, UnitDeliver(result, CLASS))
    await do(face, UnitVerdict(*of, outcome, operator=operator, **given))  # type: ignore[arg-type]
    return job


async def test_anybody_reads_what_was_compared_and_by_whom(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    how = {"verifier_class": CLASS, "comparison": Comparison("whole", True, 0.05)}
    job = await book_verified(face, database.owner_dsn, jane, "consistent", **how)
    there = f"/console/receipts/{job}/0/page"
    status, text = await nobody(face).get(there)
    said = plain(text)
    assert status == 200
    assert "The whole frame, rendered again; and the picture, made again from the" in said
    assert "at most 0.05 times the noise" in said
    assert f"embedded in the gateway, {CLASS}" in said
    assert "frame 12 unit 0" in said
    assert "no dispute about it was upheld" in said
    assert jane.email not in text
    back = f'href="/console/jobs/{job}"'
    assert back not in text
    assert back in (await jane.get(there))[1], "its owner gets back to the job"
    user = UUID(jane.id)
    await do(face, DisputeOpen(uuid4(), job, 0, user, "black", DAY))
    await do(face, DisputeDecide(job, 0, user, True, "it is"))
    assert "withdrawn" in plain((await nobody(face).get(there))[1])
    _, text = await jane.get(f"/console/jobs/{job}")
    assert f'href="{there}"' in text


@pytest.mark.parametrize("path", ["/0/page", "/1/page", "/x/page", "/99999999/page"])
async def test_without_a_receipt_there_is_no_page(face: Face, path: str) -> None:
    assert (await nobody(face).get(f"/console/receipts/{uuid4()}{path}"))[0] == 404


def receipt_row(**more: Any) -> ShownReceipt:
    """Return a receipt as the database gives it."""
    given: dict[str, Any] = {
        "document": "{}",
        "hash": HASH,
        "issued_at": None,
        "device_class": CLASS,
        "method": None,
        "compared": "regions",
        "remade": True,
        "distance": 0.0,
        "is_verified": True,
        "verifier_class": CLASS,
        "is_embedded": True,
    }
    return ShownReceipt(**{**given, **more})


@pytest.mark.parametrize(
    ("row", "compared", "distance"),
    [
        (
            receipt_row(),
            "Regions, rendered again; and the picture, made",
            "None: equal to the last bit",
        ),
        (
            receipt_row(distance=0.123456, remade=False),
            "Regions, rendered again",
            "at most 0.123 times the",
        ),
        (receipt_row(compared="whole", distance=None), "The whole frame, rendered", "It cannot be"),
        (
            receipt_row(method="other-seeds", distance=1.0),
            "Regions, rendered again with other seeds",
            "at most 1 ",
        ),
        (receipt_row(compared="plugin", distance=None), "The result, by the check of its", None),
        (receipt_row(compared="plugin", distance=0), "The result, by the check of", "None: equal"),
        (receipt_row(compared=None), "Nothing: the file was opened", None),
        (receipt_row(compared=None, is_verified=False), "Nothing", None),
    ],
)
def test_the_page_says_what_was_compared(
    row: ShownReceipt, compared: str, distance: str | None
) -> None:
    assert compared_of(row).startswith(compared)
    assert (distance_of(row) or "").startswith(distance or "")
    assert (distance_of(row) is None) is (distance is None)


def test_the_page_says_which_verifier_it_was_and_why_there_was_none() -> None:
    assert verifier_of(receipt_row()) == f"embedded in the gateway, {CLASS}"
    other = receipt_row(is_embedded=False, verifier_class=OTHER_CLASS)
    assert verifier_of(other) == f"a separate machine of the gateway, {OTHER_CLASS}"
    assert verifier_of(receipt_row(verifier_class=None)) == "embedded in the gateway"
    assert verifier_of(receipt_row(is_verified=False)) is None
    assert (
        meaning_of("unverified", "off", "render") == "No check was requested: verification is off."
    )
    found = meaning_of("unverifiable", "scene-fails", "render")
    assert found == "The checks did not decide: the verifiers cannot render the scene."
    assert meaning_of("exact", None, "render") == "Equal to a render of the scene, to the last bit."
    assert meaning_of("exact", None, "words") == (
        "Equal to what the verifier's plugin computed, to the last bit."
    )
    assert meaning_of("a later one", "why", "render") == ""
