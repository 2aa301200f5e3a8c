"""The gateway passes presigned URLs on to the store if it signed them and they are unchanged and
fresh.
"""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from supervisors.engines.objects_endpoint import ObjectsEndpoint
from supervisors.engines.s3_signing import AHEAD, Presigner, SignatureCheck

BASE, HOST = "https://farm.example", "farm.example"
STORE = ObjectsEndpoint("http://127.0.0.1:8333", "AKID", "secret", "farm", "eu-central-1")
NOW = datetime(2026, 3, 13, 23, 59, 59, tzinfo=UTC)
KEYS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=30)


def admits(
    url: str, headers: dict[str, str] | None = None, *, method: str = "GET", late: float = 0.0
) -> bool:
    check = SignatureCheck(STORE, lambda: NOW + timedelta(seconds=late))
    return check.admits(method, url.removeprefix(BASE), {"host": HOST, **(headers or {})})


def presigner() -> Presigner:
    return Presigner(STORE, BASE, lambda: NOW)


@given(KEYS)
def test_what_the_gateway_signed_to_get_is_admitted(key: str) -> None:
    url = presigner().get(key, within=60)
    assert admits(url)
    assert not admits(url, method="PUT")
    assert not admits(url, {"host": "elsewhere"})
    assert not admits(url + "&uploads")
    assert not admits(url.replace(f"{BASE}/farm/", f"{BASE}/farm/x"))


def test_a_client_that_quotes_the_url_in_its_own_way_is_admitted() -> None:
    url = presigner().get("results/Bild ä+1.png", within=60)
    assert admits(BASE + URL(url).raw_path_qs)
    assert URL(url).raw_path_qs != url.removeprefix(BASE)


@given(KEYS, st.integers(1, 9_999), st.binary(min_size=32, max_size=32))
def test_a_part_is_admitted_with_its_headers_alone(key: str, size: int, sha256: bytes) -> None:
    leave = presigner().part(key, "upload", 3, within=60, size=size, sha256=sha256)
    headers = {name.lower(): value for name, value in leave.headers.items()}
    assert admits(leave.url, headers, method="PUT")
    assert not admits(leave.url, method="PUT")
    assert not admits(leave.url, {**headers, "content-length": "1" + str(size)}, method="PUT")
    assert not admits(leave.url.replace("partNumber=3", "partNumber=4"), headers, method="PUT")


@given(st.floats(-3_000, 3_000))
def test_a_url_is_admitted_in_its_time_alone(late: float) -> None:
    url = presigner().get("a", within=60)
    assert admits(url, late=late) is (-AHEAD.total_seconds() <= late <= 60)


def test_another_key_or_region_is_refused() -> None:
    for store in (
        ObjectsEndpoint(STORE.url, "AKID", "other", "farm", "eu-central-1"),
        ObjectsEndpoint(STORE.url, "OTHER", "secret", "farm", "eu-central-1"),
        ObjectsEndpoint(STORE.url, "AKID", "secret", "farm", "us-east-1"),
    ):
        assert not admits(Presigner(store, BASE, lambda: NOW).get("a", within=60))


PAIRS = st.tuples(
    st.sampled_from(
        [
            "X-Amz-Date",
            "X-Amz-Expires",
            "X-Amz-Credential",
            "X-Amz-SignedHeaders",
            "X-Amz-Signature",
        ]
    ),
    st.sampled_from(["", "host", "00010101T000000Z", "99991231T235959Z", "9" * 5_000, "-1", "%C3"])
    | st.text(max_size=20),
)


@given(st.lists(PAIRS, max_size=7), st.text(max_size=10))
def test_nothing_that_strangers_say_is_admitted_or_raises(
    pairs: list[tuple[str, str]], header: str
) -> None:
    query = "&".join(f"{name}={value}" for name, value in pairs)
    for target in (f"{BASE}/farm/a?{query}", f"{BASE}/farm/\udce4?{query}"):
        assert not admits(target, {"host": f"{header}\udce4"})
