"""Refusals as exceptions."""

from typing import Any

import pytest

from rendertrust.client import errors


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadRequest),
        (401, errors.NotAuthenticated),
        (402, errors.InsufficientCredits),
        (403, errors.Forbidden),
        (404, errors.NotFound),
        (409, errors.Conflict),
        (410, errors.Refused),
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
