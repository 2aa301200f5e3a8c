"""The relay frames, with a frozen class for each kind.

Each constructor checks the bounds of its fields. A ValueError means that the sender has a bug.
Fields that the API reference lacks are optional. ``rendertrust.protocol`` encodes and decodes relay
frames.
"""

from collections.abc import Mapping
from typing import Any, Final

import attrs
from attrs.validators import optional

from rendertrust.blender_version import BlenderVersion, parse
from rendertrust.device_class import with_build
from rendertrust.frame_range import FRAME_MAX
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
SHEET_BYTES_MAX: Final = 8 << 20  # bytes of a comparison sheet of the largest size, not compressed
PREVIEW_CHARACTERS_MAX: Final = 48 * 1024
LOG_CHARACTERS_MAX: Final = 8 * 1024
URL_CHARACTERS_MAX: Final = 4096
INPUTS_MAX: Final = 64
FILES_ASKED_MAX: Final = 48  # maximum number of files in a request for URLs
RUNNING_MAX: Final = 256
BUILDS_MAX: Final = 32  # maximum number of builds of Blender on a node
BATCH_MAX: Final = 16  # maximum number of results in a check_batch
PARTS_MAX: Final = 128  # maximum number of parts of a multipart upload
PARTS_ASKED_MAX: Final = 16  # maximum number of parts in a request for URLs
PART_BYTES_LEAST: Final = 5 << 20  # the object store's minimum for all but the last part
PART_BYTES_MOST: Final = 5 << 30
BYTES_MAX: Final = 2**53
UNIT_MAX: Final = 10**7
ATTEMPT_MAX: Final = 10**4

POOLS: Final = ("mine", "trusted", "any")
DELIVERED: Final = ("result", "evidence")
STANDINGS: Final = ("ACTIVE", "QUARANTINED")
FAILURE_CLASSES: Final = ("scene", "node", "network", "gateway", "verifier")
LACKS: Final = ("memory", "opengl", "vram", "scripts")
UNREAD: Final = "unread"  # member of a failed check's ``work``: the file that could not be read


_JOB_ID = text(64)
_UNIT = integer(0, UNIT_MAX)
_ATTEMPT = integer(1, ATTEMPT_MAX)
_URL = text(URL_CHARACTERS_MAX)
_SIZE = integer(0, BYTES_MAX)
_BOOL = optional(attrs.validators.instance_of(bool))
_SHA256 = hexadecimal(64)


def _wire(name: str) -> dict[str, str]:
    return {"wire": name}


# ------------------------------------------------------------------------ parts of relay frames


@attrs.frozen(kw_only=True)
class Build:
    """A build of Blender on a node: ``version`` is like ``5.2.3``, ``build`` its commit.

    ``installed``: False if the node installs it once a unit needs it.
    """

    version: str = attrs.field(validator=text(64))
    build: str | None = attrs.field(default=None, validator=optional(text(64)))
    installed: bool | None = attrs.field(default=None, validator=_BOOL)


@attrs.frozen(kw_only=True)
class Running:
    """A unit and attempt that a node runs, or that the gateway tells a node to continue or drop."""

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

    ``key`` names the object. ``part_bytes``: a longer result may be sent in parts of this size. The
    node requests the URLs of parts by ``UrlsRequest``.
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
    """Request for upload URLs for ``parts`` of content: a result or evidence of ``size`` bytes."""

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
    """Parts that have ``arrived``, and ``places`` for the wanted parts that have not arrived."""

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

    ``lease_seconds``: a node that reports nothing during this time loses the unit. ``params``:
    parameters of the job type. ``pool`` describes the creator: ``mine`` for the node's owner and
    members of the organisation that the node is lent to, ``trusted`` for a user whom the owner
    trusts, ``any`` for other users. ``manifest`` lists further inputs (``rendertrust.manifest``);
    the node requests their URLs. ``evidence``: the destination of the evidence, if the gateway
    wants evidence. ``blender``: the version of Blender in which the unit is rendered, one of the
    node's ``builds``, like ``4.5``.
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
    blender: str | None = attrs.field(default=None, validator=optional(text(64)))


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
    """The node's standing. A QUARANTINED node gets only its owner's work, because of ``reason``."""

    standing: str = attrs.field(validator=one_of(*STANDINGS))
    reason: str | None = attrs.field(default=None, validator=optional(text(500)))


@attrs.frozen(kw_only=True)
class TokenRenewal:
    """A new node token for the next connection."""

    token: str = attrs.field(validator=text(4096), repr=False)


@attrs.frozen(kw_only=True)
class Ack:
    """The gateway has booked the unit's result, or never will. The node may forget the result."""

    job_id: str = attrs.field(validator=_JOB_ID)
    unit: int | None = attrs.field(default=None, validator=optional(_UNIT))
    attempt: int | None = attrs.field(default=None, validator=optional(_ATTEMPT))


@attrs.frozen(kw_only=True)
class Welcome:
    """Answer to ``hello``.

    The node continues the units in ``keep`` and kills the units in ``drop``. ``version``: the
    version of the gateway's program.
    """

    keep: tuple[Running, ...] = attrs.field(default=(), validator=several(Running, RUNNING_MAX))
    drop: tuple[Running, ...] = attrs.field(default=(), validator=several(Running, RUNNING_MAX))
    version: str | None = attrs.field(default=None, validator=optional(text(64)))


# ------------------------------------------------------------------------ node to gateway


@attrs.frozen(kw_only=True)
class Hello:
    """First relay frame of a node after each connect. ``ram`` and ``vram`` are in bytes.

    ``running`` lists units in progress *and* units whose results await an ack. The gateway must not
    dispatch these units again. ``blender`` and ``build``: the build that the node tested.
    ``builds``: all builds that render, that one included; if empty, only that one. ``pools``: the
    pools that the node serves, all if empty. ``opengl``: EEVEE and Workbench can draw on the node;
    None if not tested. ``drawing``: the graphics driver with its version; frames that EEVEE draws
    with equal drivers are equal.
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
    builds: tuple[Build, ...] = attrs.field(default=(), validator=several(Build, BUILDS_MAX))
    isa: str | None = attrs.field(default=None, validator=optional(text(64)))
    capabilities: tuple[str, ...] = attrs.field(default=(), validator=texts(64, 100))
    running: tuple[Running, ...] = attrs.field(default=(), validator=several(Running, RUNNING_MAX))
    pools: tuple[str, ...] = attrs.field(default=(), validator=texts(8, 64))
    opengl: bool | None = attrs.field(default=None, validator=_BOOL)
    drawing: str | None = attrs.field(default=None, validator=optional(text(200)))

    @property
    def used_builds(self) -> tuple[Build, ...]:
        """The builds in which the node renders: of each version the one that it names first."""
        return tuple({parse(each.version): each for each in reversed(self.builds)}.values())[::-1]

    @property
    def device_classes(self) -> tuple[str, ...]:
        """The device classes in which the node renders, one for each build, its own first."""
        own = self.device_class
        if not own:
            return ()
        named = [each.build for each in self.used_builds if each.build]
        return tuple(dict.fromkeys((own, *(with_build(own, self.build or "", b) for b in named))))

    @property
    def built_classes(self) -> tuple[tuple[BlenderVersion, str], ...]:
        """The device class of each version of Blender whose build the node names."""
        own, base = self.device_class, self.build or ""
        if not own:
            return ()
        named = [(parse(each.version), each.build) for each in self.used_builds]
        return tuple((version, with_build(own, base, build)) for version, build in named if build)


@attrs.frozen(kw_only=True)
class JobStatus:
    """Progress report of a running unit. Each report renews the unit's lease.

    ``preparing``: the node installs the unit's Blender; the unit itself has not begun.
    """

    job_id: str = attrs.field(validator=_JOB_ID)
    status: str = attrs.field(default="running", validator=one_of("running", "completed", "failed"))
    progress: float | None = attrs.field(default=None, validator=optional(number(0, 1)))
    unit: int | None = attrs.field(default=None, validator=optional(_UNIT))
    attempt: int | None = attrs.field(default=None, validator=optional(_ATTEMPT))
    detail: str | None = attrs.field(default=None, validator=optional(text(2000, least=0)))
    preparing: bool | None = attrs.field(default=None, validator=_BOOL)


@attrs.frozen(kw_only=True)
class JobResult:
    """Final report of a unit.

    ``completed`` comes with a ``result_ref``; ``failed`` with ``error`` (one line for people),
    ``detail`` (further lines) and ``failure`` (one of FAILURE_CLASSES; none means ``node``).
    ``given_back`` with ``network``: nothing failed, the node drains, pauses or stops. ``lacks``
    (one of LACKS) with ``node``: nothing failed, but the node lacks what the unit needs.
    ``cancelled`` answers ``job_cancel``: the worker has ended, its slot is free, and no ack
    follows. ``sha256`` and ``size`` describe the uploaded object; ``part_sums`` has the SHA-256 of
    each part of a multipart upload. ``work``: the node's measurements, or the work of a receipt
    with the node's ``signature`` (``rendertrust.receipt``). If a check fails, ``unread`` in
    ``work`` names the delivered file that could not be read. ``vram``: the most graphics memory
    that the unit took, in bytes, as the node measured it.
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
    vram: int | None = attrs.field(default=None, validator=optional(_SIZE))


@attrs.frozen(kw_only=True)
class UrlsRequest:
    """Request for new presigned URLs.

    Without ``files`` and ``wanted``, the node requests the unit's URLs again, because they expire
    soon. ``files``: the node requests URLs of these files of the manifest, by SHA-256. ``wanted``:
    the node requests URLs of parts of a multipart upload.
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
    """Piece of a unit's log.

    ``sequence``: number of the piece; ``offset``: bytes of log before the piece.
    """

    job_id: str = attrs.field(validator=_JOB_ID)
    unit: int | None = attrs.field(default=None, validator=optional(_UNIT))
    attempt: int | None = attrs.field(default=None, validator=optional(_ATTEMPT))
    sequence: int = attrs.field(default=0, validator=integer(0, 2**31))
    offset: int = attrs.field(default=0, validator=_SIZE)
    text: str = attrs.field(default="", validator=text(LOG_CHARACTERS_MAX, least=0))


@attrs.frozen(kw_only=True)
class Preview:
    """Small picture of a frame: ``data`` is base64 of a ``mime`` picture.

    ``frame``: the frame of the scene that the picture shows.
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
    """Heartbeat of clients whose library cannot answer pings.

    For the gateway, this relay frame is as good as a pong.
    """


# ------------------------------------------------------------------------ results of decoding


@attrs.frozen
class Malformed:
    """Result of decoding an invalid relay frame; ``reason`` says what is wrong."""

    reason: str


@attrs.frozen
class Unknown:
    """Result of decoding a JSON object of a type that this version does not know."""

    type: str
