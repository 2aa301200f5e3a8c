"""The actor kernel: typed messages, stable addresses, bounded mailboxes, one message at a time."""

from actors.kernel.actor import Actor
from actors.kernel.dead_letter import DeadLetter, DeadLetters
from actors.kernel.deferred_reply import DeferredReply
from actors.kernel.down import Down
from actors.kernel.errors import (
    ActorCrashed,
    ActorStopped,
    AskFailed,
    DeadlineExceeded,
    Fatal,
    MailboxFull,
    Mishap,
)
from actors.kernel.handler import handles, handles_batch
from actors.kernel.message import Message, Overflow
from actors.kernel.ref import Ref
from actors.kernel.restart_log import Restart, RestartLog
from actors.kernel.statistics import State, Statistics
from actors.kernel.timer import Timer

__all__ = [
    "Actor",
    "ActorCrashed",
    "ActorStopped",
    "AskFailed",
    "DeadLetter",
    "DeadLetters",
    "DeadlineExceeded",
    "DeferredReply",
    "Down",
    "Fatal",
    "MailboxFull",
    "Message",
    "Mishap",
    "Overflow",
    "Ref",
    "Restart",
    "RestartLog",
    "State",
    "Statistics",
    "Timer",
    "handles",
    "handles_batch",
]
