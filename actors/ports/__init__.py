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
from actors.ports.mail import MailTransport
from actors.ports.objects import (
    ObjectInfo,
    ObjectMissing,
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
from actors.ports.provider_http import (
    ProviderAnswer,
    ProviderHttp,
    ProviderRequest,
    ProviderUnreachable,
)
from actors.ports.randomness import Random
from actors.ports.signing import (
    CheckpointSigner,
    LogSigner,
    NodeToken,
    NodeTokens,
    ReceiptKey,
    ReceiptSigner,
)
from actors.ports.store import AnchorStore, LogMemory, LogStore, Store

__all__ = [
    "AnchorStore",
    "Anchored",
    "Bid",
    "Bus",
    "Chain",
    "ChainRefused",
    "ChainState",
    "ChainUnavailable",
    "CheckpointSigner",
    "Clock",
    "Leadership",
    "LogMemory",
    "LogSigner",
    "LogStore",
    "MailTransport",
    "Mined",
    "NodeToken",
    "NodeTokens",
    "NotFromStripe",
    "ObjectInfo",
    "ObjectMissing",
    "ObjectTooLarge",
    "Objects",
    "ObjectsUnavailable",
    "Part",
    "PartsRefused",
    "PaymentOrder",
    "PaymentSession",
    "Payments",
    "PaymentsUnavailable",
    "Ports",
    "PresignedPut",
    "ProviderAnswer",
    "ProviderHttp",
    "ProviderRequest",
    "ProviderUnreachable",
    "Random",
    "ReceiptKey",
    "ReceiptSigner",
    "Signed",
    "Store",
    "Subscription",
    "place_of",
]
