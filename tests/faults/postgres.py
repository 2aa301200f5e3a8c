"""Words of PostgreSQL's protocol: what a client says to commit, and what the answer is."""

from tests.faults.proxy import Proxy
from tests.faults.trap import Trap

COMMIT = b"Q\x00\x00\x00\x0cCOMMIT;\x00"
COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"


def swallow_commits(proxy: Proxy, *, times: int = 1) -> Trap:
    """So many transactions are committed, and in place of the answer comes a reset."""
    return proxy.swallow(COMMIT, answer=COMMITTED, times=times)
