"""The relay frames, one frozen class each.

Constructing one checks every bound; a ValueError is the sender's bug. Fields that the API reference
does not show are optional. ``rendertrust.protocol`` encodes and decodes relay frames.
"""

from collections.abc import Mapping
from typing import Any, Final

import attrs
from attrs.validators import optional

from rendertrust.validators import (
    device_class_form,
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
FRAME_MAX: Final = 1_048_574  # Blender's limit for a scene's frame, positive and negative
PREVIEW_CHARACTERS_MAX: Final = 48 * 1024
LOG_CHARACTERS_MAX: Final = 8 * 1024
URL_CHARACTERS_MAX: Final = 4096
INPUTS_MAX: Final = 64
FILES_ASKED_MAX: Final = 48  # files of a manifest in one request for URLs
RUNNING_MAX: Final = 256
BATCH_MAX: Final = 16  # results that one check_batch opens
PARTS_MAX: Final = 128  # parts of one multipart upload
PARTS_ASKED_MAX: Final = 16  # parts in one request for URLs
PART_BYTES_LEAST: Final = 5 << 20  # the store's minimum, except for the last part
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
    "unread"  # member of the work of a failed check: the delivered file that it could not fetch
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
    """A unit and attempt that a node runs, or that the gateway tells it to continue or to drop."""

    job_id: str = attrs.field(validator=_JOB_ID)
    unit: int | None = attrs.field(default=None, validator=optional(_UNIT))
    attempt: int | None = attrs.field(default=None, validator=optional(_ATTEMPT))


@attrs.frozen(kw_only=True)
class Input:
    """A file that the unit needs: fetched from ``url``, cached by ``sha256``, laid out at ``path``.

    ``path`` is relative to the work folder, ``size`` in bytes.
    """

    path: str = attrs.field(validator=text(512))
    url: str = attrs.field(validator=_URL, repr=False)
    sha256: str = attrs.field(validator=_SHA256)
    size: int = attrs.field(validator=_SIZE)


@attrs.frozen(kw_only=True)
class Output:
    """Destination of a result: PUT to ``url`` with exactly these ``headers``.

    ``key`` names the object. ``part_bytes``: a longer result may be sent in parts of this size,
    whose URLs are requested.
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
    """A part that the node is about to send, numbered from 1, with its SHA-256."""

    number: int = attrs.field(validator=integer(1, PARTS_MAX))
    sha256: str = attrs.field(validator=_SHA256)


@attrs.frozen(kw_only=True)
class PartsWanted:
    """Request for URLs to upload ``parts`` of the ``result`` or ``evidence`` of ``size`` bytes."""

    what: str = attrs.field(validator=one_of(*DELIVERED))
    size: int = attrs.field(validator=_SIZE)
    parts: tuple[WantedPart, ...] = attrs.field(
        default=(), validator=several(WantedPart, PARTS_ASKED_MAX)
    )


@attrs.frozen(kw_only=True)
class PartPlace:
    """Destination of one part: PUT to ``url`` with exactly these ``headers``."""

    number: int = attrs.field(validator=integer(1, PARTS_MAX))
    url: str = attrs.field(validator=_URL, repr=False)
    headers: Mapping[str, str] = attrs.field(
        factory=dict[str, str], validator=headers(32, 2048), repr=False
    )


@attrs.frozen(kw_only=True)
class PartsOffered:
    """The parts that have ``arrived``, and the ``places`` of the wanted parts that have not."""

    what: str = attrs.field(validator=one_of(*DELIVERED))
    size: int = attrs.field(validator=_SIZE)
    arrived: tuple[int, ...] = attrs.field(default=(), validator=integers(PARTS_MAX, 1, PARTS_MAX))
    places: tuple[PartPlace, ...] = attrs.field(
        default=(), validator=several(PartPlace, PARTS_ASKED_MAX)
    )


@attrs.frozen(kw_only=True)
class Evidence:
    """The uploaded evidence of a result; ``part_sums`` as in JobResult."""

    sha256: str = attrs.field(validator=_SHA256)
    size: int = attrs.field(validator=_SIZE)
    part_sums: tuple[str, ...] = attrs.field(default=(), validator=hexadecimals(PARTS_MAX, 64))


# ------------------------------------------------------------------------ gateway to node


@attrs.frozen(kw_only=True)
class JobDispatch:
    """Run this unit.

    ``lease_seconds``: a node that reports nothing for so long loses the unit. ``params`` belong to
    the job type. ``pool``: the creator is the node's owner, a user who trusts the owner, or any
    user. ``manifest`` names further inputs (``rendertrust.manifest``), whose URLs are requested.
    ``evidence``: its destination, if the gateway wants evidence.
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
    """Kill the unit's worker and forget the unit; the node answers ``cancelled``."""

    job_id: str = attrs.field(validator=_JOB_ID)
    unit: int | None = attrs.field(default=None, validator=optional(_UNIT))
    attempt: int | None = attrs.field(default=None, validator=optional(_ATTEMPT))
    reason: str | None = attrs.field(default=None, validator=optional(text(500)))


@attrs.frozen(kw_only=True)
class Urls:
    """Answer to ``UrlsRequest``: new presigned URLs, or granted parts of a multipart upload."""

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
    """Finish the running units, take nothing new, then disconnect."""


@attrs.frozen(kw_only=True)
class NodeStanding:
    """The node's standing. ``QUARANTINED``: only its owner's work, because of ``reason``."""

    standing: str = attrs.field(validator=one_of(*STANDINGS))
    reason: str | None = attrs.field(default=None, validator=optional(text(500)))


@attrs.frozen(kw_only=True)
class TokenRenewal:
    """A new node token for the next connection."""

    token: str = attrs.field(validator=text(4096), repr=False)


@attrs.frozen(kw_only=True)
class Ack:
    """The gateway has booked the unit's result, or never will: the node may forget it."""

    job_id: str = attrs.field(validator=_JOB_ID)
    unit: int | None = attrs.field(default=None, validator=optional(_UNIT))
    attempt: int | None = attrs.field(default=None, validator=optional(_ATTEMPT))


@attrs.frozen(kw_only=True)
class Welcome:
    """Answer to ``hello``: which of the node's units to continue, and which to kill."""

    keep: tuple[Running, ...] = attrs.field(default=(), validator=several(Running, RUNNING_MAX))
    drop: tuple[Running, ...] = attrs.field(default=(), validator=several(Running, RUNNING_MAX))


# ------------------------------------------------------------------------ node to gateway


@attrs.frozen(kw_only=True)
class Hello:
    """First relay frame of a node after each connect. ``ram`` and ``vram`` are bytes.

    ``running`` lists units in progress *and* units whose results await an ack: none of them may be
    dispatched again. ``pools``: the pools that it serves, all if empty. ``opengl``: EEVEE and
    Workbench can draw here; None if that was not tested.
    """

    version: str = attrs.field(validator=text(64))
    slots: int = attrs.field(default=1, validator=integer(1, RUNNING_MAX))
    device_class: str | None = attrs.field(
        default=None, validator=optional(device_class_form(200)), metadata=_wire("class")
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
    """Progress report of a running unit; each one renews the unit's lease."""

    job_id: str = attrs.field(validator=_JOB_ID)
    status: str = attrs.field(default="running", validator=one_of("running", "completed", "failed"))
    progress: float | None = attrs.field(default=None, validator=optional(number(0, 1)))
    unit: int | None = attrs.field(default=None, validator=optional(_UNIT))
    attempt: int | None = attrs.field(default=None, validator=optional(_ATTEMPT))
    detail: str | None = attrs.field(default=None, validator=optional(text(2000, least=0)))


@attrs.frozen(kw_only=True)
class JobResult:
    """Final report of a unit.

    ``completed`` comes with a ``result_ref``; ``failed`` with ``error`` (one line for people),
    ``detail`` (further lines) and ``failure`` (one of FAILURE_CLASSES; none means ``node``).
    ``given_back`` with ``network``: nothing failed, the node drains, pauses or stops. ``lacks``
    with ``node`` (one of LACKS): nothing failed, another node may have what it needs. ``cancelled``
    answers ``job_cancel``: the worker has ended, its slot is free, no ack follows. ``sha256`` and
    ``size`` describe the uploaded object, ``part_sums`` its parts in a multipart upload. ``work``:
    the node's measurements, or the work of a receipt with the node's ``signature``
    (``rendertrust.receipt``); of a check that failed, ``unread`` in it names the delivered file
    that could not be fetched.
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
    """Request for new presigned URLs, because the unit's have expired or soon will.

    ``files``: instead, URLs of these files of its manifest, by SHA-256. ``wanted``: instead, parts
    of a multipart upload.
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
    """Piece of a unit's log: ``sequence`` counts pieces, ``offset`` the bytes before it."""

    job_id: str = attrs.field(validator=_JOB_ID)
    unit: int | None = attrs.field(default=None, validator=optional(_UNIT))
    attempt: int | None = attrs.field(default=None, validator=optional(_ATTEMPT))
    sequence: int = attrs.field(default=0, validator=integer(0, 2**31))
    offset: int = attrs.field(default=0, validator=_SIZE)
    text: str = attrs.field(default="", validator=text(LOG_CHARACTERS_MAX, least=0))


@attrs.frozen(kw_only=True)
class Preview:
    """Preview picture of the work so far: ``data`` is base64 of a ``mime`` picture.

    ``frame``: the frame of the scene that it shows.
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
    """Heartbeat of clients whose library cannot answer pings; the gateway counts it as a pong."""


# ------------------------------------------------------------------------ results of decoding


@attrs.frozen
class Malformed:
    """Undecodable text: broken JSON, a missing field, or a value out of bounds. Never sent."""

    reason: str


@attrs.frozen
class Unknown:
    """Well-formed object of a type that this version does not know. Never sent."""

    type: str
