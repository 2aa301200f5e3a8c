"""Presigned URLs are what botocore's own signer makes of the same request at the same second."""

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from supervisors.engines.objects import ObjectsEndpoint
from supervisors.engines.s3_signing import Presigner, disposition

KEYS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40)
BASES = ("http://127.0.0.1:8333", "https://render.example", "http://render.example:80")


def endpoint(base: str) -> ObjectsEndpoint:
    return ObjectsEndpoint(url=base, access_key="AK/ID+", secret_key="secret", bucket="rendertrust")


def botocores(method: str, url: str, headers: Mapping[str, str], time: str, within: int) -> str:
    """What botocore's signer says, as if it had been asked at ``time``."""

    class AtTime(S3SigV4QueryAuth):
        def add_auth(self, request: AWSRequest) -> None:
            request.context["timestamp"] = time
            self._modify_request_before_signing(request)
            text = self.string_to_sign(request, self.canonical_request(request))
            self._inject_signature_to_request(request, self.signature(text, request))

    request = AWSRequest(method=method, url=url, headers=dict(headers))
    signer = AtTime(Credentials("AK/ID+", "secret"), "s3", "us-east-1", expires=within)
    signer.add_auth(request)
    return str(request.url)


def time_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["X-Amz-Date"][0]


@given(KEYS, st.sampled_from(BASES), st.integers(1, 86_400))
def test_a_put_is_signed_as_botocore_signs_it(key: str, base: str, within: int) -> None:
    signer = Presigner(endpoint(base), base)
    put = signer.put(key, within=within, size=12, sha256=b"\1" * 32, once=True)
    plain = f"{base}/rendertrust/{quote(key, safe='/~')}"
    assert put.url == botocores("PUT", plain, put.headers, time_of(put.url), within)
    assert set(put.headers) == {"If-None-Match", "Content-Length", "x-amz-checksum-sha256"}


@given(KEYS, st.one_of(st.none(), KEYS), st.sampled_from([None, "another-bucket"]))
def test_a_get_is_signed_as_botocore_signs_it(
    key: str, filename: str | None, bucket: str | None
) -> None:
    base = BASES[0]
    url = Presigner(endpoint(base), base).get(key, within=60, filename=filename, bucket=bucket)
    plain = f"{base}/{bucket or 'rendertrust'}/{quote(key, safe='/~')}"
    if filename is not None:
        shown = quote(disposition(filename), safe="-_.~")
        plain += f"?response-content-disposition={shown}"
    assert url == botocores("GET", plain, {}, time_of(url), 60)


@pytest.mark.parametrize("base", BASES)
def test_a_listing_is_signed_as_botocore_signs_it(base: str) -> None:
    url = Presigner(endpoint(base), base + "/").bucket(within=60)
    plain = f"{base}/rendertrust?list-type=2&max-keys=1"
    assert url == botocores("GET", plain, {}, time_of(url), 60)


def test_it_is_signed_now() -> None:
    url = Presigner(endpoint(BASES[0]), BASES[0]).bucket(within=60)
    signed = datetime.strptime(time_of(url), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - signed).total_seconds()) < 5
