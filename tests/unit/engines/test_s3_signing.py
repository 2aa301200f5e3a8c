"""Presigned URLs are identical to the URLs of botocore's signer."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from unittest import mock
from urllib.parse import quote, urlencode

import attrs
import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from supervisors.engines.objects_endpoint import ObjectsEndpoint
from supervisors.engines.s3_signing import Presigner, host_of

BASES = (
    "http://127.0.0.1:8333",
    "https://s3.example.org",
    "https://farm.example:8443",
    "http://[::1]:80",
    "https://example.org:443/objects/",
)
TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))
KEYS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=30)


def endpoint_of(bucket: str = "farm") -> ObjectsEndpoint:
    return ObjectsEndpoint(
        url="http://127.0.0.1:8333",
        access_key="AKIDEXAMPLE",
        secret_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        bucket=bucket,
        region="eu-central-1",
    )


def botocore_url(method: str, url: str, headers: Mapping[str, str], at: "SigningContext") -> str:
    """Return the URL that botocore signs."""
    endpoint = endpoint_of()
    credentials = Credentials(endpoint.access_key, endpoint.secret_key)
    request = AWSRequest(method=method, url=url, headers={**headers, "Host": host_of(at.base)})
    now = at.now.replace(tzinfo=None)
    with mock.patch("botocore.auth.get_current_datetime", return_value=now):
        S3SigV4QueryAuth(credentials, "s3", endpoint.region, expires=at.within).add_auth(request)
    return str(request.url)


@attrs.frozen
class SigningContext:
    """Base URL and time of a signature."""

    base: str
    now: datetime
    within: int = 60

    @property
    def presigner(self) -> Presigner:
        return Presigner(endpoint_of(), self.base, lambda: self.now)

    def url(self, key: str, bucket: str = "farm") -> str:
        return f"{self.base.rstrip('/')}/{bucket}/{quote(key, safe='/~')}"


ATS = st.builds(SigningContext, st.sampled_from(BASES), TIMES, st.integers(1, 86_400))


@given(KEYS, ATS, st.booleans(), st.none() | KEYS)
def test_to_put(key: str, at: SigningContext, once: bool, multipart: str | None) -> None:
    presigner = at.presigner
    url = at.url(key)
    if multipart is None:
        made = presigner.put(key, within=at.within, size=7, sha256=b"s" * 32, once=once)
    else:
        made = presigner.part(key, multipart, 3, within=at.within, size=7, sha256=b"s" * 32)
        url += "?" + urlencode({"partNumber": 3, "uploadId": multipart})
    assert made.url == botocore_url("PUT", url, made.headers, at)


@given(KEYS, ATS, st.sampled_from([None, "other"]))
def test_to_get(key: str, at: SigningContext, bucket: str | None) -> None:
    made = at.presigner.get(key, within=at.within, bucket=bucket)
    assert made == botocore_url("GET", at.url(key, bucket or "farm"), {}, at)


@pytest.mark.parametrize("base", BASES)
def test_to_list(base: str) -> None:
    at = SigningContext(base, datetime(2026, 3, 13, tzinfo=UTC))
    presigner = SigningContext("http://elsewhere", at.now).presigner.at(base)
    url = f"{base.rstrip('/')}/farm?list-type=2&max-keys=1"
    assert presigner.bucket(within=at.within) == botocore_url("GET", url, {}, at)


@pytest.mark.parametrize("base", BASES)
def test_the_host_is_what_a_client_says(base: str) -> None:
    request: Any = AWSRequest(method="GET", url=base)
    credentials = Credentials("a", "b")
    said = S3SigV4QueryAuth(credentials, "s3", "eu", expires=1).headers_to_sign(request)["host"]
    assert host_of(base) == said


def test_the_signer_of_a_host_is_kept() -> None:
    usual = Presigner(endpoint_of(), BASES[0])
    other = usual.at(BASES[1])
    assert usual.at(BASES[1]) is other
    for number in range(100):
        usual.at(f"https://{number}.example.org")
    again = usual.at(BASES[1])
    assert again is not other  # no more than some hosts are kept
    assert again.get("key", within=60).partition("?")[0] == f"{BASES[1]}/farm/key"
