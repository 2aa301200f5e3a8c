"""Golden relay frames: each type with all its members, and with the required ones only."""

from collections.abc import Mapping
from typing import Any, Final

import attrs

from rendertrust.protocol import (
    FROM_GATEWAY,
    FROM_NODE,
    Ack,
    Build,
    Drain,
    Evidence,
    Frame,
    FromGateway,
    FromNode,
    Hello,
    Input,
    JobCancel,
    JobDispatch,
    JobResult,
    JobStatus,
    Log,
    NodeStanding,
    Output,
    PartPlace,
    PartsOffered,
    PartsWanted,
    Pong,
    Preview,
    Running,
    TokenRenewal,
    Urls,
    UrlsRequest,
    WantedPart,
    Welcome,
    decode_from_gateway,
    decode_from_node,
    encode,
)
from tests.golden.signed import JOB

ID: Final = str(JOB)
SUM: Final = "0123456789abcdef" * 4
OF_UNIT: Final[dict[str, Any]] = {"job_id": ID, "unit": 3, "attempt": 2}
URL: Final = "https://objects.example/rendertrust/key?X-Amz-Signature=5e"
INPUT: Final = Input(path="shots/a.blend", url=URL, sha256=SUM, size=7)
OUTPUT: Final = Output(
    url=URL, headers={"If-None-Match": "*"}, key="results/a/b/3/2/frame.png", part_bytes=5 << 20
)
RUNNING: Final = Running(**OF_UNIT)
OFFERED: Final = PartsOffered(
    what="result",
    size=9,
    arrived=(1,),
    places=(PartPlace(number=2, url=URL, headers={"Content-Length": "4"}),),
)
WANTED: Final = PartsWanted(what="evidence", size=9, parts=(WantedPart(number=1, sha256=SUM),))
FROM_GATEWAY_FULL: Final[tuple[FromGateway, ...]] = (
    JobDispatch(
        **OF_UNIT,
        job_type="render",
        payload_ref="s3://rendertrust/uploads/a/scene.blend",
        lease_seconds=60.0,
        params={"frame": 12, "samples": 16, "gain": 0.5, "camera": "Küche"},
        inputs=(INPUT,),
        manifest=INPUT,
        output=OUTPUT,
        evidence=OUTPUT,
        pool="trusted",
        blender="4.5",
    ),
    JobCancel(**OF_UNIT, reason="stopped"),
    Urls(**OF_UNIT, inputs=(INPUT,), output=OUTPUT, evidence=OUTPUT, offered=OFFERED),
    Drain(),
    NodeStanding(standing="QUARANTINED", reason="strikes"),
    TokenRenewal(token="eyJhbGci"),
    Ack(**OF_UNIT),
    Welcome(keep=(RUNNING,), drop=(RUNNING,), version="0.2.0"),
)
FROM_NODE_FULL: Final[tuple[FromNode, ...]] = (
    Hello(
        version="0.1.0",
        slots=2,
        device_class="cpu:x86_64",
        cores=8,
        ram=16 << 30,
        vram=8 << 30,
        blender="5.2.0",
        build="e13b728c6880",
        builds=(Build(version="4.5.3", build="67807e1800cc", installed=True),),
        isa="x86-64-v3",
        capabilities=("render", "check"),
        running=(RUNNING,),
        pools=("mine", "any"),
        opengl=True,
        drawing="OPENGL; Mesa; llvmpipe; 4.5 Mesa 25.0.7; AuthenticAMD",
    ),
    JobStatus(**OF_UNIT, status="running", progress=0.45, detail="sample 4 of 16", preparing=True),
    JobResult(
        **OF_UNIT,
        status="completed",
        result_ref="s3://rendertrust/results/a/b/3/2/frame.png",
        error="no memory",
        failure="node",
        detail="more of it",
        sha256=SUM,
        size=9,
        work={"seconds": "3.25"},
        signature=SUM * 2,
        part_sums=(SUM,),
        evidence=Evidence(sha256=SUM, size=4, part_sums=(SUM,)),
        given_back=True,
        lacks="memory",
        vram=3_000_000_000,
    ),
    UrlsRequest(**OF_UNIT, files=(SUM,), wanted=WANTED),
    Log(**OF_UNIT, sequence=4, offset=512, text="Fra:12 Mem:31.00M\n"),
    Preview(**OF_UNIT, frame=-12, mime="image/png", data="iVBORw0KGgo="),
    Pong(),
)
# Relay frames of the API reference, and the smallest relay frame of each other type.
LEAST: Final[tuple[Frame, ...]] = (
    JobDispatch(job_id=ID, job_type="render", payload_ref="s3://bucket/input/scene.blend"),
    JobCancel(job_id=ID),
    Urls(job_id=ID),
    NodeStanding(standing="ACTIVE"),
    Ack(job_id=ID),
    Welcome(),
    Hello(version="0.1.0"),
    JobStatus(job_id=ID, status="running", progress=0.45),
    JobResult(job_id=ID, status="completed", result_ref="s3://results/frame.png"),
    UrlsRequest(job_id=ID),
    Log(job_id=ID),
    Preview(job_id=ID, data="iVBORw0KGgo="),
)


def frames() -> dict[str, bytes]:
    """Return one line per relay frame; raise AssertionError if a full one lacks a member."""
    for table, full in ((FROM_GATEWAY, FROM_GATEWAY_FULL), (FROM_NODE, FROM_NODE_FULL)):
        assert {type(frame) for frame in full} == set(table.values())
        for frame in full:
            _assert_full(frame)
    return {
        "from-gateway.jsonl": _lines(FROM_GATEWAY_FULL),
        "from-node.jsonl": _lines(FROM_NODE_FULL),
        "least-from-gateway.jsonl": _lines(f for f in LEAST if type(f) in FROM_GATEWAY.values()),
        "least-from-node.jsonl": _lines(f for f in LEAST if type(f) in FROM_NODE.values()),
    }


def read_again(name: str, line: bytes) -> str:
    """Decode a relay frame of a golden file as its receiver does, and encode it again."""
    found = (decode_from_gateway if "gateway" in name else decode_from_node)(line)
    return encode(found)  # type: ignore[arg-type]


def _lines(frames: Any) -> bytes:
    return "".join(f"{encode(frame)}\n" for frame in frames).encode()


def _assert_full(value: Any) -> None:
    for field in attrs.fields(type(value)):
        member = getattr(value, field.name)
        assert member not in (None, ()), f"{type(value).__name__}.{field.name} is empty"
        assert not isinstance(member, Mapping) or member, field.name
        for part in member if isinstance(member, tuple) else (member,):
            if attrs.has(type(part)):
                _assert_full(part)
