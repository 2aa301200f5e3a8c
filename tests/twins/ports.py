"""All ports in memory."""

from typing import Any

from actors.ports import Clock, Ports
from tests.twins.bus import TwinBus
from tests.twins.clock import TwinClock
from tests.twins.objects import TwinObjects
from tests.twins.payments import TwinPayments
from tests.twins.post import TwinPost
from tests.twins.random import TwinRandom
from tests.twins.signer import TwinSigner
from tests.twins.store import StoreTwin
from tests.twins.tokens import TwinTokens


def twin_ports(**given: Any) -> Ports:
    """Twins, beside those that are ``given``; the log is in the store."""
    clock: Clock = given.get("clock") or TwinClock()
    store = given.get("store") or StoreTwin()
    twins: dict[str, Any] = {
        "clock": clock,
        "random": TwinRandom(),
        "store": store,
        "log": store,
        "objects": TwinObjects(clock.monotonic),
        "bus": TwinBus(),
        "tokens": TwinTokens(),
        "signer": TwinSigner(),
        "payments": TwinPayments(),
        "post": TwinPost(),
    }
    return Ports(**{**twins, **given})
