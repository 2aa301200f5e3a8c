"""Webhook deliveries as a receiver verifies them."""

import base64

import pytest

from rendertrust import webhooks
from rendertrust.webhooks import InvalidSignature, headers_for, read, secret_bytes, secret_text

SECRET = bytes(range(32))
BODY = b'{"type": "job.completed"}'
NOW = 1_773_000_000


def test_it_is_the_signature_of_the_standard() -> None:
    """The example comes from the libraries of Standard Webhooks."""
    secret = secret_bytes("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body, id_, at = b'{"test": 2432232314}', "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
    assert webhooks.signature(secret, id_, at, body) == (
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def test_what_is_ours_is_read_by_either_secret_and_any_case_of_headers() -> None:
    headers = headers_for([SECRET, b"x" * 32], "id", NOW, BODY)
    for secret in (SECRET, b"x" * 32):
        for given in (headers, {name.title(): value for name, value in headers.items()}):
            assert read(BODY, given, secret_text(secret), now=NOW) == {"type": "job.completed"}


@pytest.mark.parametrize(
    ("body", "change", "now"),
    [
        (BODY + b" ", {}, NOW),
        (BODY, {"webhook-id": "other"}, NOW),
        (BODY, {"webhook-timestamp": str(NOW + 1)}, NOW),
        (BODY, {"webhook-timestamp": "soon"}, NOW),
        (BODY, {"webhook-timestamp": ""}, NOW),
        (BODY, {"webhook-signature": ""}, NOW),
        (BODY, {"webhook-signature": "v1," + base64.b64encode(b"x" * 32).decode()}, NOW),
        (BODY, {"webhook-signature": "v1,ä"}, NOW),
        (BODY, {}, NOW + 301),
        (BODY, {}, NOW - 301),
    ],
)
def test_what_is_not_ours_or_too_old_is_refused(
    body: bytes, change: dict[str, str], now: int
) -> None:
    headers = headers_for([SECRET], "id", NOW, BODY) | change
    with pytest.raises(InvalidSignature):
        read(body, headers, secret_text(SECRET), now=now)


@pytest.mark.parametrize("body", [b"[]", b"", b"\xff"])
def test_a_body_that_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidSignature):
        read(body, headers_for([SECRET], "id", NOW, body), secret_text(SECRET), now=NOW)


def test_a_secret_that_is_none_is_the_callers_fault() -> None:
    with pytest.raises(ValueError, match="whsec_"):
        read(BODY, headers_for([SECRET], "id", NOW, BODY), "whsec_!", now=NOW)
