"""Messages of the Verifier; each docstring names the sender."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import attrs

from actors.kernel import Message, Ref


class Verifier:
    """Marker type for the address of the verifier actor."""


@attrs.frozen
class CheckerSeen(Message[Verifier, None]):
    """From a NodeSession: its node is available for checks, one at a time.

    ``session`` accepts ``RunCheck``. ``batches``: the node can open several results in one check.
    ``cores``: how many cores it uses, for admins. The Verifier ignores nodes that are not verifiers
    of its gateway.
    """

    node: UUID
    device_class: str
    session: Ref[Any]
    batches: bool = False
    cores: int | None = None


@attrs.frozen
class CheckerGone(Message[Verifier, None]):
    """From a NodeSession: the session ends, or its node may no longer check results."""

    node: UUID
    session: Ref[Any]


@attrs.frozen
class Reported(Message[Verifier, None]):
    """From a NodeSession: the report of its node on a check.

    If ``report`` is None, the check failed, for ``reason``. ``is_unread``: the delivered result
    could not be read. ``is_scene``: the check failed while the verifier itself rendered the scene.
    """

    check: UUID
    node: UUID
    report: Mapping[str, Any] | None = attrs.field(repr=False)
    reason: str = ""
    is_unread: bool = False
    is_scene: bool = False


@attrs.frozen
class ReadBack(Message[Verifier, None]):
    """To itself: whether the gateway could read a result that a verifier could not read.

    ``is_readable`` is None if the object store was down or too slow.
    """

    job: UUID
    unit: int
    attempt: int
    is_readable: bool | None


@attrs.frozen
class LieDetected(Message[Verifier, None]):
    """From a NodeSession: its node made a false claim, which now counts against it."""

    node: UUID


@attrs.frozen
class ReviewDue(Message[Verifier, None]):
    """From the Verifier's own timer: review the pending results."""
