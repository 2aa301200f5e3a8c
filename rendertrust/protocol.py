"""Encoding and decoding of the relay frames that nodes and gateway exchange.

Decoding never raises. Decoding returns a relay frame, ``Malformed`` or ``Unknown``. Unknown members
are ignored, so node and gateway may have different versions.

    decode_from_node(text)      called by the gateway
    decode_from_gateway(text)   called by a node
    encode(frame)               called by both
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final, TypeVar

import attrs
import orjson

from rendertrust.relay_frames import (
    FAILURE_CLASSES,
    FRAME_BYTES_MAX,
    LACKS,
    LOG_CHARACTERS_MAX,
    RUNNING_MAX,
    Ack,
    Build,
    Drain,
    Evidence,
    Hello,
    Input,
    JobCancel,
    JobDispatch,
    JobResult,
    JobStatus,
    Log,
    Malformed,
    NodeStanding,
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
)

__all__ = [
    "FAILURE_CLASSES",
    "FRAME_BYTES_MAX",
    "LACKS",
    "LOG_CHARACTERS_MAX",
    "Ack",
    "Build",
    "CloseCode",
    "Drain",
    "Evidence",
    "Frame",
    "FromGateway",
    "FromNode",
    "Hello",
    "Input",
    "JobCancel",
    "JobDispatch",
    "JobResult",
    "JobStatus",
    "Log",
    "Malformed",
    "NodeStanding",
    "Output",
    "PartPlace",
    "PartsOffered",
    "PartsWanted",
    "Pong",
    "Preview",
    "Running",
    "TokenRenewal",
    "Unknown",
    "Urls",
    "UrlsRequest",
    "WantedPart",
    "Welcome",
    "decode_from_gateway",
    "decode_from_node",
    "encode",
]


class CloseCode(IntEnum):
    """The reason for closing a node's socket.

    The comments say what the node does after the close.
    """

    MALFORMED = 1007  # the node's message was not a relay frame: reconnect
    FLOOD = 1008  # the node sent too many relay frames: reconnect later
    SERVICE_RESTART = 1012  # the gateway or this session restarts: reconnect soon
    AUTHENTICATION_FAILED = 4001  # the token is not accepted: get a new token, or stop
    HEARTBEAT_TIMEOUT = 4002  # the node sent no pong for 90 s: reconnect
    REPLACED = 4003  # another connection of this node took over: stop


FromGateway = JobDispatch | JobCancel | Urls | Drain | NodeStanding | TokenRenewal | Ack | Welcome
FromNode = Hello | JobStatus | JobResult | UrlsRequest | Log | Preview | Pong
Frame = FromGateway | FromNode

FROM_GATEWAY: Final[Mapping[str, type[FromGateway]]] = {
    "job_dispatch": JobDispatch,
    "job_cancel": JobCancel,
    "urls": Urls,
    "drain": Drain,
    "standing": NodeStanding,
    "token": TokenRenewal,
    "ack": Ack,
    "welcome": Welcome,
}
FROM_NODE: Final[Mapping[str, type[FromNode]]] = {
    "hello": Hello,
    "job_status": JobStatus,
    "job_result": JobResult,
    "urls": UrlsRequest,
    "log": Log,
    "preview": Preview,
    "pong": Pong,
}
_TYPE_OF: Final[Mapping[type[Any], str]] = {
    kind: name for table in (FROM_GATEWAY, FROM_NODE) for name, kind in table.items()
}
_PARTS: Final[Mapping[str, type[Any]]] = {
    "inputs": Input,
    "manifest": Input,
    "output": Output,
    "evidence": Output,
    "builds": Build,
    "running": Running,
    "keep": Running,
    "drop": Running,
    "wanted": PartsWanted,
    "parts": WantedPart,
    "offered": PartsOffered,
    "places": PartPlace,
}
_OWN: Final[Mapping[type[Any], Mapping[str, type[Any]]]] = {JobResult: {"evidence": Evidence}}

_LISTS: Final = (
    *("inputs", "builds", "running", "keep", "drop", "capabilities", "pools", "files"),
    *("parts", "places", "arrived", "part_sums"),
)


def _fields_of(kind: type[Any]) -> tuple[tuple[str, str, bool], ...]:
    """Return (name, name on the wire, required) for each field of ``kind``."""
    return tuple(
        (field.name, field.metadata.get("wire", field.name), field.default is attrs.NOTHING)
        for field in attrs.fields(kind)
    )


_FIELDS: Final = {kind: _fields_of(kind) for kind in (*_TYPE_OF, *_PARTS.values(), Evidence)}


def encode(frame: Frame) -> str:
    """Return the relay frame as JSON text, without empty optional fields.

    Raises ValueError if the text is longer than FRAME_BYTES_MAX.
    """
    members = {"type": _TYPE_OF[type(frame)], **_members(frame)}
    encoded = orjson.dumps(members)
    if len(encoded) > FRAME_BYTES_MAX:
        raise ValueError(f"a relay frame {members['type']} of {len(encoded)} bytes is too long")
    return encoded.decode()


def _members(value: Any) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, wire, _ in _FIELDS[type(value)]:
        member = getattr(value, name)
        if member is None or member == ():
            continue
        if isinstance(member, tuple):
            member = [_members(part) if type(part) in _FIELDS else part for part in member]
        members[wire] = _members(member) if type(member) in _FIELDS else member
    return members


def decode_from_node(frame: str | bytes) -> FromNode | Malformed | Unknown:
    """Decode a relay frame from a node. Never raises."""
    return _decode(frame, FROM_NODE)


def decode_from_gateway(frame: str | bytes) -> FromGateway | Malformed | Unknown:
    """Decode a relay frame from the gateway. Never raises."""
    return _decode(frame, FROM_GATEWAY)


Kind = TypeVar("Kind")


def _decode(frame: str | bytes, kinds: Mapping[str, type[Kind]]) -> Kind | Malformed | Unknown:
    if len(frame) > FRAME_BYTES_MAX or len(_as_bytes(frame)) > FRAME_BYTES_MAX:
        return Malformed(f"longer than {FRAME_BYTES_MAX} bytes")
    try:
        members = orjson.loads(frame)
    except orjson.JSONDecodeError:
        return Malformed("not JSON")
    if not isinstance(members, dict) or not isinstance(members.get("type"), str):
        return Malformed("not an object with a type")
    kind = kinds.get(members["type"])
    if kind is None:
        return Unknown(members["type"][:64])
    try:
        return _build(kind, members)
    except ValueError as fault:
        return Malformed(str(fault))


def _as_bytes(frame: str | bytes) -> bytes:
    return frame if isinstance(frame, bytes) else frame.encode("utf-8", "surrogatepass")


def _build(kind: type[Kind], members: Any) -> Kind:
    if not isinstance(members, dict):
        raise ValueError(f"{kind.__name__.lower()}: must be an object")
    values: dict[str, Any] = {}
    for name, wire, required in _FIELDS[kind]:
        value = members.get(wire)
        if value is None:
            if required:
                raise ValueError(f"{wire}: missing")
            continue
        part = _OWN.get(kind, _PARTS).get(name) or _PARTS.get(name)
        values[name] = _value(name, part, value)
    return kind(**values)


def _value(name: str, part: type[Any] | None, value: Any) -> Any:
    if isinstance(value, list) and name in _LISTS:
        if len(value) > RUNNING_MAX:
            raise ValueError(f"{name}: too many")
        return tuple(_build(part, item) if part else item for item in value)
    return _build(part, value) if part and isinstance(value, dict) else value
