"""Ports: the outside world for actors, each with a real implementation and an in-memory twin.

Real implementations are in ``supervisors/engines/`` and ``sql/``, twins in ``tests/twins/``. Each
port has one conformance suite, which tests both implementations.
"""

from actors.ports.bus import Bus, Subscription
from actors.ports.chain import (
    Anchored,
    Bid,
    Chain,
    ChainRefused,
    ChainState,
    ChainUnavailable,
    Mined,
    Signed,
)
from actors.ports.clock import Clock
from actors.ports.leadership import Leadership
from actors.ports.mail import (
    MailAccepted,
    MailDeferred,
    MailOutcome,
    MailRefused,
    MailTransport,
    OutgoingMail,
)
from actors.ports.objects import (
    ObjectInfo,
    ObjectMissing,
    ObjectReference,
    Objects,
    ObjectsUnavailable,
    ObjectTooLarge,
    Part,
    PartsRefused,
    PresignedPut,
    place_of,
)
from actors.ports.payments import (
    NotFromStripe,
    PaymentOrder,
    Payments,
    PaymentSession,
    PaymentsUnavailable,
)
from actors.ports.ports import Ports
from actors.ports.randomness import Random
from actors.ports.signing import (
    CheckpointSigner,
    LogSigner,
    NodeToken,
    NodeTokens,
    ReceiptKey,
    ReceiptSigner,
    Sealer,
)
from actors.ports.store import AnchorStore, LogMemory, LogStore, Store
from actors.ports.webhooks import Answered, Letter, NotSent, Post

__all__ = [
    "AnchorStore",
    "Anchored",
    "Answered",
    "Bid",
    "Bus",
    "Chain",
    "ChainRefused",
    "ChainState",
    "ChainUnavailable",
    "CheckpointSigner",
    "Clock",
    "Leadership",
    "Letter",
    "LogMemory",
    "LogSigner",
    "LogStore",
    "MailAccepted",
    "MailDeferred",
    "MailOutcome",
    "MailRefused",
    "MailTransport",
    "Mined",
    "NodeToken",
    "NodeTokens",
    "NotFromStripe",
    "NotSent",
    "ObjectInfo",
    "ObjectMissing",
    "ObjectReference",
    "ObjectTooLarge",
    "Objects",
    "ObjectsUnavailable",
    "OutgoingMail",
    "Part",
    "PartsRefused",
    "PaymentOrder",
    "PaymentSession",
    "Payments",
    "PaymentsUnavailable",
    "Ports",
    "Post",
    "PresignedPut",
    "Random",
    "ReceiptKey",
    "ReceiptSigner",
    "Sealer",
    "Signed",
    "Store",
    "Subscription",
    "place_of",
]
