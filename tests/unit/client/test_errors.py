"""Refusals of the gateway as exceptions."""

import json
from typing import Any

import pytest

from rendertrust.client import errors
from web.openapi.served_document import Description
from web.routes import OPERATIONS


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadRequest),
        (401, errors.NotAuthenticated),
        (402, errors.InsufficientCredits),
        (403, errors.Forbidden),
        (404, errors.NotFound),
        (409, errors.Conflict),
        (408, errors.TooSlow),
        (410, errors.Gone),
        (413, errors.TooLarge),
        (415, errors.NotTaken),
        (418, errors.Refused),
        (422, errors.Invalid),
        (429, errors.RateLimited),
        (500, errors.GatewayFault),
        (503, errors.Unavailable),
        (504, errors.Unavailable),
    ],
)
def test_each_status_has_its_kind(status: int, kind: type[errors.Refused]) -> None:
    error = errors.refusal(status, {"detail": "no", "request_id": "r"})
    assert type(error) is kind
    assert (str(error), error.status, error.request_id) == ("no", status, "r")


@pytest.mark.parametrize("body", [None, [], "no", 5, {"detail": 5, "errors": "x"}, {"errors": [1]}])
def test_a_foreign_body_still_makes_an_exception(body: Any) -> None:
    error = errors.refusal(503, body)
    assert error.detail == "The gateway answered 503"
    assert error.errors == ()


def test_what_stands_beside_the_detail_is_kept() -> None:
    error = errors.refusal(402, {"detail": "no", "available": "1.0000", "requested": 5})
    assert isinstance(error, errors.InsufficientCredits)
    assert error.available == "1.0000"
    assert error.requested is None
    assert error.extra == {"available": "1.0000", "requested": 5}


def test_faults_are_read() -> None:
    faults = [{"field": "email", "code": "value", "message": "is no address"}]
    (fault,) = errors.refusal(422, {"detail": "…", "errors": faults}).errors
    assert (fault.field, fault.code, fault.message) == ("email", "value", "is no address")


def test_a_key_that_was_used_for_another_request_has_a_kind_of_its_own() -> None:
    faults = [{"field": "Idempotency-Key", "code": "conflict", "message": "was used"}]
    error = errors.refusal(422, {"detail": "…", "errors": faults})
    assert type(error) is errors.KeyConflict
    assert isinstance(error, errors.Invalid)


def test_whatever_the_gateway_refuses_has_a_kind_of_its_own() -> None:
    """Every status that the OpenAPI document lists for a refusal has its own exception."""
    document = json.loads(Description(OPERATIONS).document().body)
    statuses = {
        int(status)
        for path in document["paths"].values()
        for operation in path.values()
        if isinstance(operation, dict)
        for status in operation.get("responses", {})
        if status.isdecimal() and int(status) >= 400
    }
    assert {400, 401, 402, 403, 404, 409, 410, 413, 415, 422, 429, 500, 503} <= statuses
    for status in statuses:
        assert type(errors.refusal(status, {})) is not errors.Refused, status
