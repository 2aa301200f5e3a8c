"""Encoding and decoding of relay frames, and texts that are no relay frames."""

import attrs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust import protocol
from rendertrust.protocol import (
    FAILURE_CLASSES,
    FRAME_BYTES_MAX,
    Ack,
    Build,
    Drain,
    Evidence,
    Frame,
    Hello,
    Input,
    JobCancel,
    JobDispatch,
    JobResult,
    JobStatus,
    Log,
    Malformed,
    Output,
    PartPlace,
    PartsOffered,
    PartsWanted,
    Pong,
    Preview,
    Running,
    TokenRenewal,
    Unknown,
    Urls,
    UrlsRequest,
    WantedPart,
    Welcome,
    decode_from_gateway,
    decode_from_node,
    encode,
)
from rendertrust.relay_frames import ATTEMPT_MAX, BYTES_MAX, UNIT_MAX


def words(most: int, least: int = 1) -> st.SearchStrategy[str]:
    letters = st.characters(exclude_characters="\0", codec="utf-8")
    return st.text(letters, min_size=least, max_size=min(most, 40))


fence = {
    "job_id": words(64),
    "unit": st.none() | st.integers(0, UNIT_MAX),
    "attempt": st.none() | st.integers(1, ATTEMPT_MAX),
}
sha256 = st.text("0123456789abcdef", min_size=64, max_size=64)
sizes = st.integers(0, BYTES_MAX)
shares = st.floats(0, 1)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | words(20, 0),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words(10), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(words(10), values, max_size=4)
running = st.builds(Running, **fence)
builds = st.builds(Build, version=words(64), build=st.none() | words(64))
inputs = st.builds(Input, path=words(512), url=words(4096), sha256=sha256, size=sizes)
outputs = st.builds(
    Output,
    url=words(4096),
    headers=st.dictionaries(st.text("abc-XYZ", min_size=1), st.text("0aZ* ;="), max_size=3),
    key=words(1024),
    part_bytes=st.none() | st.integers(5 << 20, 5 << 30),
)
numbers = st.integers(1, 128)
what = st.sampled_from(["result", "evidence"])
sums = st.lists(sha256, max_size=3).map(tuple)
wanted = st.builds(
    PartsWanted,
    what=what,
    size=sizes,
    parts=st.lists(st.builds(WantedPart, number=numbers, sha256=sha256), max_size=3).map(tuple),
)
offered = st.builds(
    PartsOffered,
    what=what,
    size=sizes,
    arrived=st.lists(numbers, max_size=3).map(tuple),
    places=st.lists(st.builds(PartPlace, number=numbers, url=words(4096)), max_size=3).map(tuple),
)
some_inputs = st.lists(inputs, max_size=3).map(tuple)
some_running = st.lists(running, max_size=3).map(tuple)

from_gateway: st.SearchStrategy[Frame] = st.one_of(
    st.builds(
        JobDispatch,
        job_type=words(100),
        payload_ref=words(500),
        lease_seconds=st.none() | st.floats(1, 86_400),
        params=objects,
        inputs=some_inputs,
        output=st.none() | outputs,
        evidence=st.none() | outputs,
        **fence,
    ),
    st.builds(JobCancel, **fence),
    st.builds(
        Urls,
        inputs=some_inputs,
        output=st.none() | outputs,
        evidence=st.none() | outputs,
        offered=st.none() | offered,
        **fence,
    ),
    st.builds(Drain),
    st.builds(TokenRenewal, token=words(4096)),
    st.builds(Ack, **fence),
    st.builds(Welcome, keep=some_running, drop=some_running),
)
classes = st.from_regex(r"[a-z]{1,8}(/[A-Za-z0-9_.]{1,12}){0,3}", fullmatch=True)
from_node: st.SearchStrategy[Frame] = st.one_of(
    st.builds(
        Hello,
        version=words(64),
        slots=st.integers(1, 256),
        device_class=st.none() | classes,
        cores=st.none() | st.integers(1, 65_536),
        ram=st.none() | sizes,
        vram=st.none() | sizes,
        blender=st.none() | words(64),
        build=st.none() | words(64),
        builds=st.lists(builds, max_size=3).map(tuple),
        isa=st.none() | words(64),
        capabilities=st.lists(words(100), max_size=3).map(tuple),
        running=some_running,
    ),
    st.builds(
        JobStatus,
        status=st.sampled_from(["running", "completed", "failed"]),
        progress=st.none() | shares,
        detail=st.none() | words(2000, 0),
        **fence,
    ),
    st.builds(
        JobResult,
        status=st.sampled_from(["completed", "failed", "cancelled"]),
        result_ref=st.none() | words(1100),
        error=st.none() | words(500),
        failure=st.none() | st.sampled_from(FAILURE_CLASSES),
        detail=st.none() | words(4000, 0),
        sha256=st.none() | sha256,
        size=st.none() | sizes,
        work=st.none() | objects,
        signature=st.none() | st.text("0123456789abcdef", min_size=128, max_size=128),
        part_sums=sums,
        given_back=st.none() | st.booleans(),
        evidence=st.none() | st.builds(Evidence, sha256=sha256, size=sizes, part_sums=sums),
        **fence,
    ),
    st.builds(UrlsRequest, wanted=st.none() | wanted, **fence),
    st.builds(Log, sequence=st.integers(0, 2**31), offset=sizes, text=words(8192, 0), **fence),
    st.builds(Preview, mime=st.just("image/png"), data=words(100), **fence),
    st.builds(Pong),
)


@given(from_gateway)
def test_frame_of_the_gateway_survives_the_wire(frame: Frame) -> None:
    assert decode_from_gateway(encode(frame)) == frame


@given(from_node)
def test_frame_of_a_node_survives_the_wire(frame: Frame) -> None:
    assert decode_from_node(encode(frame)) == frame


@given(st.text() | st.binary())
def test_decoding_never_raises(text: str | bytes) -> None:
    assert isinstance(decode_from_node(text), (Malformed, Unknown))
    assert isinstance(decode_from_gateway(text), (Malformed, Unknown))


@given(st.sampled_from([*protocol.FROM_NODE, *protocol.FROM_GATEWAY]), objects)
def test_decoding_any_members_never_raises(kind: str, members: "dict[str, object]") -> None:
    text = orjson.dumps({**members, "type": kind})
    decode_from_node(text)
    decode_from_gateway(text)


REFERENCE = [
    (
        '{ "type": "job_status", "job_id": "uuid", "status": "running", "progress": 0.45 }',
        JobStatus(job_id="uuid", progress=0.45),
    ),
    (
        '{ "type": "job_result", "job_id": "uuid", "status": "completed", "result_ref": "s3://" }',
        JobResult(job_id="uuid", status="completed", result_ref="s3://"),
    ),
    ('{"type": "pong"}', Pong()),
]


@pytest.mark.parametrize(("text", "frame"), REFERENCE, ids=["status", "result", "pong"])
def test_frames_of_the_reference_are_valid(text: str, frame: Frame) -> None:
    assert decode_from_node(text) == frame


def test_dispatch_of_the_reference_is_valid() -> None:
    text = '{"type":"job_dispatch","job_id":"u","job_type":"render","payload_ref":"s3://..."}'
    expected = JobDispatch(job_id="u", job_type="render", payload_ref="s3://...")
    assert decode_from_gateway(text) == expected
    assert orjson.loads(encode(expected)) == orjson.loads(text) | {"params": {}}


STATUS = {"type": "job_status", "job_id": "j", "status": "running"}
BROKEN = [
    ({**STATUS, "progress": 1.01}, "progress"),
    ({**STATUS, "progress": -0.01}, "progress"),
    ({**STATUS, "progress": "0.5"}, "progress"),
    ({**STATUS, "progress": True}, "progress"),
    ({**STATUS, "status": "RUNNING"}, "status"),
    ({**STATUS, "job_id": ""}, "job_id"),
    ({**STATUS, "job_id": "x" * 65}, "job_id"),
    ({**STATUS, "job_id": "a\0b"}, "job_id"),
    ({**STATUS, "job_id": 7}, "job_id"),
    ({**STATUS, "unit": -1}, "unit"),
    ({**STATUS, "unit": 1.0}, "unit"),
    ({**STATUS, "unit": 2**63}, "unit"),
    ({**STATUS, "attempt": 0}, "attempt"),
    ({"type": "job_status"}, "job_id"),
    ({"type": "job_result", "job_id": "j", "status": "running"}, "status"),
    ({"type": "job_result", "job_id": "j", "status": "failed", "failure": "me"}, "failure"),
    ({"type": "job_result", "job_id": "j", "status": "failed", "sha256": "A" * 64}, "sha256"),
    ({"type": "job_result", "job_id": "j", "status": "failed", "work": [1]}, "work"),
    ({"type": "hello", "version": "1", "running": [{"unit": 1}]}, "job_id"),
    ({"type": "hello", "version": "1", "running": ["j"]}, "running"),
    ({"type": "hello", "version": "1", "running": [{"job_id": "j"}] * 257}, "running"),
    ({"type": "hello", "version": "1", "capabilities": [1]}, "capabilities"),
    ({"type": "hello", "version": "1", "class": 7}, "device_class"),
    ({"type": "hello", "version": "1", "class": ""}, "device_class"),
    ({"type": "hello", "version": "1", "class": "/avx2/5.2"}, "a kind that begins with"),
    ({"type": "hello", "version": "1", "class": "cpu//5.2"}, "a kind that begins with"),
    ({"type": "hello", "version": "1", "class": "cpu/avx2/"}, "a kind that begins with"),
    ({"type": "hello", "version": "1", "class": "CPU/avx2/5.2"}, "a kind that begins with"),
    ({"type": "hello", "version": "1", "class": "cpu /avx2/5.2"}, "a kind that begins with"),
    ({"type": "hello", "version": "1", "class": "cpu/" + "x" * 200}, "at most 200 characters"),
]


@pytest.mark.parametrize(("members", "field"), BROKEN)
def test_value_out_of_bounds_is_malformed(members: "dict[str, object]", field: str) -> None:
    frame = decode_from_node(orjson.dumps(members))
    assert isinstance(frame, Malformed)
    assert field in frame.reason


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", '"x"', "{", '{"type": 1}', "{}", '{"type":"job_status","progress":NaN}',
     '{"type":"log","job_id":"j","text":"\\ud800"}', "\ud800", "[" * 60_000],
)  # fmt: skip
def test_what_is_no_json_object_is_malformed(text: str) -> None:
    assert isinstance(decode_from_node(text), Malformed)


def test_deep_params_are_malformed() -> None:
    deep = '{"a":' * 40 + "1" + "}" * 40
    text = (
        f'{{"type":"job_dispatch","job_id":"j","job_type":"x","payload_ref":"y","params":{deep}}}'
    )
    assert isinstance(decode_from_gateway(text), Malformed)


def test_long_frame_is_malformed_and_never_sent() -> None:
    text = orjson.dumps({"type": "pong", "x": "y" * FRAME_BYTES_MAX}).decode()
    assert isinstance(decode_from_node(text), Malformed)
    wide = "\N{GRINNING FACE}" * 4096
    inputs_ = tuple(Input(path=f"{i}", url=wide, sha256="0" * 64, size=1) for i in range(8))
    with pytest.raises(ValueError, match="too long"):
        encode(JobDispatch(job_id="j", job_type="x", payload_ref="y", inputs=inputs_))


def test_unknown_type_is_unknown_and_unknown_members_are_ignored() -> None:
    assert decode_from_node('{"type":"of_tomorrow","x":1}') == Unknown("of_tomorrow")
    assert decode_from_node('{"type":"pong","x":1}') == Pong()


def test_directions_are_kept_apart() -> None:
    assert decode_from_node(encode(Ack(job_id="j"))) == Unknown("ack")
    assert decode_from_gateway(encode(Pong())) == Unknown("pong")


def test_secrets_are_not_in_the_text_form() -> None:
    output = Output(url="https://x/?X-Amz-Signature=1", headers={"x": "secret"}, key="k")
    sent = JobDispatch(
        job_id="j",
        job_type="x",
        payload_ref="y",
        inputs=(Input(path="a", url="https://x/?X-Amz-Signature=1", sha256="0" * 64, size=1),),
        output=output,
    )
    shown = f"{sent!r} {TokenRenewal(token='secret')!r}"
    assert "Amz" not in shown
    assert "secret" not in shown


def test_sender_cannot_build_a_broken_frame() -> None:
    with pytest.raises(ValueError, match="progress"):
        JobStatus(job_id="j", progress=float("nan"))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        JobStatus(job_id="j").job_id = "k"  # type: ignore[misc]  # pyright: ignore
