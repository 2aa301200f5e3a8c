"""Byte sequences of PostgreSQL's protocol for COMMIT and its answer."""

from tests.faults.proxy import Proxy
from tests.faults.trap import Trap

COMMIT = b"Q\x00\x00\x00\x0cCOMMIT;\x00"
COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"


def swallow_commits(proxy: Proxy, *, times: int = 1) -> Trap:
    """Let ``times`` transactions commit, and reset each connection instead of answering."""
    return proxy.swallow(COMMIT, answer=COMMITTED, times=times)
