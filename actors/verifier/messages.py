"""Messages of the Verifier; each docstring names the sender."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import attrs

from actors.kernel import Message, Ref
from rendertrust.job_types import RENDERED


class Verifier:
    """Marker type for the address of the verifier actor."""


@attrs.frozen
class CheckerSeen(Message[Verifier, None]):
    """From a NodeSession: its node is available for checks, one at a time.

    ``session`` accepts ``RunCheck``. ``batches``: the node can open several results in one check.
    ``cores``: how many cores it uses, for admins. ``checks``: job types that it can check.
    ``others``: its device classes with its other builds of Blender. The Verifier ignores nodes that
    are not verifiers of its gateway.
    """

    node: UUID
    device_class: str
    session: Ref[Any]
    batches: bool = False
    cores: int | None = None
    checks: frozenset[str] = RENDERED
    others: tuple[str, ...] = ()


@attrs.frozen
class CheckerGone(Message[Verifier, None]):
    """From a NodeSession: the session ends, or its node may no longer check results."""

    node: UUID
    session: Ref[Any]


@attrs.frozen
class Reported(Message[Verifier, None]):
    """From a NodeSession: the report of its node on a check.

    If ``report`` is None, the check failed, for ``reason``. ``is_unread``: the delivered result
    could not be fetched. ``is_other``: other content than the node signed was fetched.
    ``is_scene``: the check failed while the verifier itself rendered the scene. ``by_files``:
    Blender crashes with the delivered files, and not without them. ``is_given_back``: the node did
    not run the check, for example while it installs the version of Blender; nothing failed.
    """

    check: UUID
    node: UUID
    report: Mapping[str, Any] | None = attrs.field(repr=False)
    reason: str = ""
    is_unread: bool = False
    is_scene: bool = False
    by_files: bool = False
    is_other: bool = False
    is_given_back: bool = False


@attrs.frozen
class ReadBack(Message[Verifier, None]):
    """To itself: whether the gateway could read a result that a verifier could not read.

    ``is_readable`` is None if the object store was down or too slow. ``is_replaced``: the gateway,
    too, read other content than the node signed.
    """

    job: UUID
    unit: int
    attempt: int
    is_readable: bool | None
    is_replaced: bool = False


@attrs.frozen
class LieDetected(Message[Verifier, None]):
    """From a NodeSession: its node made a false claim, which now counts against it."""

    node: UUID


@attrs.frozen
class ReviewDue(Message[Verifier, None]):
    """From the Verifier's own timer: review the pending results."""


@attrs.frozen
class CheckWait:
    """Facts on why a delivered result has no verdict yet, as this gateway knows them.

    ``has_verifier``: a verifier that may check the result was connected recently. ``lacks_build``:
    none of these has its node's build of Blender. ``is_running``: this gateway has it checked now.
    ``is_last``: a check failed or was dropped, so other results go first. ``has_used_share``: the
    creator had more of the verifiers' time than other creators whose results go first. ``ahead``:
    the results that are checked first.
    """

    has_verifier: bool = True
    lacks_build: bool = False
    is_running: bool = False
    is_last: bool = False
    has_used_share: bool = False
    ahead: int = 0


@attrs.frozen
class ExplainChecks(Message[Verifier, Mapping[int, CheckWait]]):
    """From the web: why these units of a job wait for their verdicts.

    The answer lacks units that the Verifier does not know as pending.
    """

    job: UUID
    units: Sequence[int]
