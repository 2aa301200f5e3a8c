"""The interface that an actor has to the instance that runs it."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from actors.kernel.envelope import Envelope
from actors.kernel.later import Later
from actors.kernel.message import Message
from actors.kernel.ref import Ref
from actors.kernel.timer import Timer


class Life(Protocol):
    """The instance of an actor as seen by the actor; documented at ``Actor``."""

    def one_in_hand(self) -> Envelope: ...
    def forward(self, ref: Ref[Any], message: Message[Any, Any]) -> Later[Any]: ...
    def after(self, seconds: float, message: Message[Any, Any], jitter: float) -> Timer: ...
    def background(
        self,
        work: Callable[[], Awaitable[Message[Any, Any]]],
        within: float,
        otherwise: Message[Any, Any],
    ) -> None: ...
    def watch(self, ref: Ref[Any]) -> None: ...
    def request_stop(self) -> None: ...
