"""The frames of the WebSocket relay, one frozen class each.

Constructing one checks every bound (ValueError is a bug of the sender). The reference's minimal
frames are valid: whatever it does not show is optional here. ``rendertrust.protocol`` turns them
into text and back.
"""

from collections.abc import Mapping
from typing import Any, Final

import attrs
from attrs.validators import optional

from rendertrust.validators import (
    headers,
    hexadecimal,
    hexadecimals,
    integer,
    integers,
    json_object,
    number,
    one_of,
    several,
    text,
    texts,
)

FRAME_BYTES_MAX: Final = 64 * 1024
FRAME_MAX: Final = 1_048_574  # of a scene: Blender's own bound, both ways
PREVIEW_CHARACTERS_MAX: Final = 48 * 1024
LOG_CHARACTERS_MAX: Final = 8 * 1024
URL_CHARACTERS_MAX: Final = 4096
INPUTS_MAX: Final = 64
FILES_ASKED_MAX: Final = 48  # of a manifest, in one request for their URLs
RUNNING_MAX: Final = 256
BATCH_MAX: Final = 16  # results that one check_batch opens
PARTS_MAX: Final = 128  # of one object of a result
PARTS_ASKED_MAX: Final = 16  # in one request for their URLs
PART_BYTES_LEAST: Final = 5 << 20  # what a store takes, but for the last one
PART_BYTES_MOST: Final = 5 << 30
BYTES_MAX: Final = 2**53
UNIT_MAX: Final = 10**7
ATTEMPT_MAX: Final = 10**4

POOLS: Final = ("mine", "trusted", "any")
DELIVERED: Final = ("result", "evidence")
STANDINGS: Final = ("ACTIVE", "QUARANTINED")
FAILURE_CLASSES: Final = ("scene", "node", "network", "gateway", "verifier")
LACKS: Final = ("memory", "opengl")
UNREAD: Final = (
    "unread"  # in the work of a check that failed: the delivered file it could not fetch
)


_JOB_ID = text(64)
_UNIT = integer(0, UNIT_MAX)
_ATTEMPT = integer(1, ATTEMPT_MAX)
_URL = text(URL_CHARACTERS_MAX)
_SIZE = integer(0, BYTES_MAX)
_BOOL = optional(attrs.validators.instance_of(bool))
_SHA256 = hexadecimal(64)


def _wire(name: str) -> dict[str, str]:
    return {"wire": name}


# ------------------------------------------------------------------------ parts of frames


@attrs.frozen(kw_only=True)
class Running:
    """One unit at one attempt: what a node says it runs, and what it is told to keep or drop."""

    job_id: str = attrs.field(validator=_JOB_ID)
    unit: int | None = attrs.field(default=None, validator=optional(_UNIT))
    attempt: int | None = attrs.field(default=None, validator=optional(_ATTEMPT))


@attrs.frozen(kw_only=True)
class Input:
    """A file the unit needs: fetched from ``url``, kept under its ``sha256``, seen as ``path``.

    ``path`` is relative to the work folder, ``size`` in bytes.
    """

    path: str = attrs.field(validator=text(512))
    url: str = attrs.field(validator=_URL, repr=False)
    sha256: str = attrs.field(validator=_SHA256)
    size: int = attrs.field(validator=_SIZE)


@attrs.frozen(kw_only=True)
class Output:
    """Where the result goes: PUT to ``url`` with exactly these ``headers``; ``key`` names it.

    ``part_bytes``: what is longer may be sent in parts of so many bytes, whose URLs are asked for.
    """

    url: str = attrs.field(validator=_URL, repr=False)
    headers: Mapping[str, str] = attrs.field(
        factory=dict[str, str], validator=headers(32, 2048), repr=False
    )
    key: str = attrs.field(validator=text(1024))
    part_bytes: int | None = attrs.field(
        default=None, validator=optional(integer(PART_BYTES_LEAST, PART_BYTES_MOST))
    )


_OUTPUT = optional(attrs.validators.instance_of(Output))


@attrs.frozen(kw_only=True)
class WantedPart:
    """A part that is about to be sent, numbered from 1, with its SHA-256."""

    number: int = attrs.field(validator=integer(1, PARTS_MAX))
    sha256: str = attrs.field(validator=_SHA256)


@attrs.frozen(kw_only=True)
class PartsWanted:
    """Leave to put ``parts`` of the ``result``, or the ``evidence``, which has ``size`` bytes."""

    what: str = attrs.field(validator=one_of(*DELIVERED))
    size: int = attrs.field(validator=_SIZE)
    parts: tuple[WantedPart, ...] = attrs.field(
        default=(), validator=several(WantedPart, PARTS_ASKED_MAX)
    )


@attrs.frozen(kw_only=True)
class PartPlace:
    """Where one part goes: PUT to ``url`` with exactly these ``headers``."""

    number: int = attrs.field(validator=integer(1, PARTS_MAX))
    url: str = attrs.field(validator=_URL, repr=False)
    headers: Mapping[str, str] = attrs.field(
        factory=dict[str, str], validator=headers(32, 2048), repr=False
    )


@attrs.frozen(kw_only=True)
class PartsOffered:
    """``arrived``: the parts that are there; ``places``: of the wanted ones, those that are not."""

    what: str = attrs.field(validator=one_of(*DELIVERED))
    size: int = attrs.field(validator=_SIZE)
    arrived: tuple[int, ...] = attrs.field(default=(), validator=integers(PARTS_MAX, 1, PARTS_MAX))
    places: tuple[PartPlace, ...] = attrs.field(
        default=(), validator=several(PartPlace, PARTS_ASKED_MAX)
    )


@attrs.frozen(kw_only=True)
class Evidence:
    """What lies beside a result, for its check, as it was put; ``part_sums`` as in JobResult."""

    sha256: str = attrs.field(validator=_SHA256)
    size: int = attrs.field(validator=_SIZE)
    part_sums: tuple[str, ...] = attrs.field(default=(), validator=hexadecimals(PARTS_MAX, 64))


# ------------------------------------------------------------------------ gateway to node


@attrs.frozen(kw_only=True)
class JobDispatch:
    """Run this unit. The first four fields are the reference's; ``lease_seconds`` is the time after
    which a node that reports nothing loses the unit. ``params`` belongs to the job type. ``pool``
    is whose work it is: of the node's own owner, of one who trusts it, or of anybody. ``manifest``
    names further inputs (``rendertrust.manifest``), whose URLs are asked for. ``evidence``: where
    what the result is checked by goes, if it is to be there.
    """

    job_id: str = attrs.field(validator=_JOB_ID)
    job_type: str = attrs.field(validator=text(100))
    payload_ref: str = attrs.field(validator=text(500))
    unit: int | None = attrs.field(default=None, validator=optional(_UNIT))
    attempt: int | None = attrs.field(default=None, validator=optional(_ATTEMPT))
    lease_seconds: float | None = attrs.field(default=None, validator=optional(number(1, 86_400)))
    params: Mapping[str, Any] = attrs.field(factory=dict[str, Any], validator=json_object(1000))
    inputs: tuple[Input, ...] = attrs.field(default=(), validator=several(Input, INPUTS_MAX))
    manifest: Input | None = attrs.field(
        default=None, validator=optional(attrs.validators.instance_of(Input))
    )
    output: Output | None = attrs.field(default=None, validator=_OUTPUT)
    evidence: Output | None = attrs.field(default=None, validator=_OUTPUT)
    pool: str | None = attrs.field(default=None, validator=optional(one_of(*POOLS)))


@attrs.frozen(kw_only=True)
class JobCancel:
    """Kill the unit's worker and forget it: answered ``cancelled``; ``reason`` is for people."""

    job_id: str = attrs.field(validator=_JOB_ID)
    unit: int | None = attrs.field(default=None, validator=optional(_UNIT))
    attempt: int | None = attrs.field(default=None, validator=optional(_ATTEMPT))
    reason: str | None = attrs.field(default=None, validator=optional(text(500)))


@attrs.frozen(kw_only=True)
class Urls:
    """Fresh presigned URLs for a unit, or leave to put parts, as asked for by ``UrlsRequest``."""

    job_id: str = attrs.field(validator=_JOB_ID)
    unit: int | None = attrs.field(default=None, validator=optional(_UNIT))
    attempt: int | None = attrs.field(default=None, validator=optional(_ATTEMPT))
    inputs: tuple[Input, ...] = attrs.field(default=(), validator=several(Input, INPUTS_MAX))
    output: Output | None = attrs.field(default=None, validator=_OUTPUT)
    evidence: Output | None = attrs.field(default=None, validator=_OUTPUT)
    offered: PartsOffered | None = attrs.field(
        default=None, validator=optional(attrs.validators.instance_of(PartsOffered))
    )


@attrs.frozen(kw_only=True)
class Drain:
    """Finish what runs, take nothing new, leave."""


@attrs.frozen(kw_only=True)
class NodeStanding:
    """What holds of a node: ``QUARANTINED`` gets its owner's work alone, ``reason`` is why."""

    standing: str = attrs.field(validator=one_of(*STANDINGS))
    reason: str | None = attrs.field(default=None, validator=optional(text(500)))


@attrs.frozen(kw_only=True)
class TokenRenewal:
    """A new node token, to be used from the next connection on."""

    token: str = attrs.field(validator=text(4096), repr=False)


@attrs.frozen(kw_only=True)
class Ack:
    """The unit's result is settled in the books (or will never be): the node may forget it."""

    job_id: str = attrs.field(validator=_JOB_ID)
    unit: int | None = attrs.field(default=None, validator=optional(_UNIT))
    attempt: int | None = attrs.field(default=None, validator=optional(_ATTEMPT))


@attrs.frozen(kw_only=True)
class Welcome:
    """The answer to ``hello``: of the units said to run, which to go on with and which to kill."""

    keep: tuple[Running, ...] = attrs.field(default=(), validator=several(Running, RUNNING_MAX))
    drop: tuple[Running, ...] = attrs.field(default=(), validator=several(Running, RUNNING_MAX))


# ------------------------------------------------------------------------ node to gateway


@attrs.frozen(kw_only=True)
class Hello:
    """The first frame of a node after each connect. ``ram`` and ``vram`` are bytes.

    ``running`` lists units in progress *and* units whose results await an ack: none of them is to
    be sent again. ``pools`` are those that it serves; none named: all. ``opengl``: whether Blender
    draws by it here, as EEVEE and Workbench do; None: it was not tried.
    """

    version: str = attrs.field(validator=text(64))
    slots: int = attrs.field(default=1, validator=integer(1, RUNNING_MAX))
    device_class: str | None = attrs.field(
        default=None, validator=optional(text(200)), metadata=_wire("class")
    )
    cores: int | None = attrs.field(default=None, validator=optional(integer(1, 65_536)))
    ram: int | None = attrs.field(default=None, validator=optional(_SIZE))
    vram: int | None = attrs.field(default=None, validator=optional(_SIZE))
    blender: str | None = attrs.field(default=None, validator=optional(text(64)))
    build: str | None = attrs.field(default=None, validator=optional(text(64)))
    isa: str | None = attrs.field(default=None, validator=optional(text(64)))
    capabilities: tuple[str, ...] = attrs.field(default=(), validator=texts(64, 100))
    running: tuple[Running, ...] = attrs.field(default=(), validator=several(Running, RUNNING_MAX))
    pools: tuple[str, ...] = attrs.field(default=(), validator=texts(8, 64))
    opengl: bool | None = attrs.field(default=None, validator=_BOOL)


@attrs.frozen(kw_only=True)
class JobStatus:
    """A unit runs. Each one renews the unit's lease, the progress unchanged or not."""

    job_id: str = attrs.field(validator=_JOB_ID)
    status: str = attrs.field(default="running", validator=one_of("running", "completed", "failed"))
    progress: float | None = attrs.field(default=None, validator=optional(number(0, 1)))
    unit: int | None = attrs.field(default=None, validator=optional(_UNIT))
    attempt: int | None = attrs.field(default=None, validator=optional(_ATTEMPT))
    detail: str | None = attrs.field(default=None, validator=optional(text(2000, least=0)))


@attrs.frozen(kw_only=True)
class JobResult:
    """How a unit ended.

    ``completed`` comes with a ``result_ref``; ``failed`` with ``error`` (one line for people),
    ``detail`` (more of it) and ``failure`` (one of FAILURE_CLASSES; none means ``node``);
    ``given_back`` beside ``network``: nothing failed, the node drains, rests or stops;
    ``lacks`` beside ``node`` (one of LACKS): nothing failed, another one may have it;
    ``cancelled`` answers ``job_cancel``: the worker has ended, its slot is free, no ack is awaited.
    ``sha256`` and ``size`` are of the uploaded object, ``part_sums`` the SHA-256s of the parts in
    which it was sent; ``evidence`` is what lies beside it. ``work`` is what the node measured, or
    the work of a receipt, with the node's ``signature`` of it (``rendertrust.receipt``); of a check
    that failed, ``unread`` in it names the delivered file that could not be fetched.
    """

    job_id: str = attrs.field(validator=_JOB_ID)
    status: str = attrs.field(validator=one_of("completed", "failed", "cancelled"))
    result_ref: str | None = attrs.field(default=None, validator=optional(text(1100)))
    error: str | None = attrs.field(default=None, validator=optional(text(500)))
    failure: str | None = attrs.field(default=None, validator=optional(one_of(*FAILURE_CLASSES)))
    unit: int | None = attrs.field(default=None, validator=optional(_UNIT))
    attempt: int | None = attrs.field(default=None, validator=optional(_ATTEMPT))
    detail: str | None = attrs.field(default=None, validator=optional(text(4000, least=0)))
    sha256: str | None = attrs.field(default=None, validator=optional(_SHA256))
    size: int | None = attrs.field(default=None, validator=optional(_SIZE))
    work: Mapping[str, Any] | None = attrs.field(
        default=None, validator=optional(json_object(2000))
    )
    signature: str | None = attrs.field(default=None, validator=optional(hexadecimal(128)))
    part_sums: tuple[str, ...] = attrs.field(default=(), validator=hexadecimals(PARTS_MAX, 64))
    evidence: Evidence | None = attrs.field(
        default=None, validator=optional(attrs.validators.instance_of(Evidence))
    )
    given_back: bool | None = attrs.field(default=None, validator=_BOOL)
    lacks: str | None = attrs.field(default=None, validator=optional(one_of(*LACKS)))


@attrs.frozen(kw_only=True)
class UrlsRequest:
    """The unit's presigned URLs have run out (or soon will): send fresh ones.

    ``files``: rather those of these files of its manifest, by their SHA-256; ``wanted``: rather
    leave to put parts of what it made.
    """

    job_id: str = attrs.field(validator=_JOB_ID)
    unit: int | None = attrs.field(default=None, validator=optional(_UNIT))
    attempt: int | None = attrs.field(default=None, validator=optional(_ATTEMPT))
    files: tuple[str, ...] = attrs.field(default=(), validator=texts(FILES_ASKED_MAX, 64))
    wanted: PartsWanted | None = attrs.field(
        default=None, validator=optional(attrs.validators.instance_of(PartsWanted))
    )


@attrs.frozen(kw_only=True)
class Log:
    """A piece of a unit's log: ``sequence`` counts pieces, ``offset`` the bytes before it."""

    job_id: str = attrs.field(validator=_JOB_ID)
    unit: int | None = attrs.field(default=None, validator=optional(_UNIT))
    attempt: int | None = attrs.field(default=None, validator=optional(_ATTEMPT))
    sequence: int = attrs.field(default=0, validator=integer(0, 2**31))
    offset: int = attrs.field(default=0, validator=_SIZE)
    text: str = attrs.field(default="", validator=text(LOG_CHARACTERS_MAX, least=0))


@attrs.frozen(kw_only=True)
class Preview:
    """A small picture of the work so far: ``data`` is base64 of a ``mime`` picture.

    ``frame`` says which frame of the scene it is of.
    """

    job_id: str = attrs.field(validator=_JOB_ID)
    unit: int | None = attrs.field(default=None, validator=optional(_UNIT))
    attempt: int | None = attrs.field(default=None, validator=optional(_ATTEMPT))
    frame: int | None = attrs.field(
        default=None, validator=optional(integer(-FRAME_MAX, FRAME_MAX))
    )
    mime: str = attrs.field(default="image/jpeg", validator=one_of("image/jpeg", "image/png"))
    data: str = attrs.field(validator=text(PREVIEW_CHARACTERS_MAX), repr=False)


@attrs.frozen(kw_only=True)
class Pong:
    """A sign of life from clients whose library cannot answer pings; counts as a pong."""


# ------------------------------------------------------------------------ what else decoding gives


@attrs.frozen
class Malformed:
    """Not a frame: broken JSON, a missing field, or a value out of bounds. Never sent."""

    reason: str


@attrs.frozen
class Unknown:
    """A well-formed object of a type that this version does not know. Never sent."""

    type: str
