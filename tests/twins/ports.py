"""Ports of a gateway with an in-memory implementation for each."""

from typing import Any

from actors.ports import Clock, Ports
from sql.halts import SeenHead
from tests.twins.bus import TwinBus
from tests.twins.clock import TwinClock
from tests.twins.leadership import Leads, TwinLeadership
from tests.twins.objects import TwinObjects
from tests.twins.payments import TwinPayments
from tests.twins.post import TwinPost
from tests.twins.random import TwinRandom
from tests.twins.signer import TwinSigner
from tests.twins.store import StoreTwin
from tests.twins.tokens import TwinTokens


class TwinLogMemory:
    """Keeps the newest checkpoint that the gateway has seen, in memory instead of a file."""

    def __init__(self) -> None:
        self.head: SeenHead | None = None

    async def note(self, head: SeenHead) -> None:
        self.head = head


def twin_ports(**given: Any) -> Ports:
    """Return in-memory ports, except for the ports in ``given``; the store also holds the log."""
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
        "leadership": TwinLeadership(Leads()),
        "memory": TwinLogMemory(),
    }
    return Ports(**{**twins, **given})
