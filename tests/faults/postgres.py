"""Byte sequences of PostgreSQL's protocol for the Ledger's writes, COMMIT, and their answers."""

from sql.statement_batch import TITLE
from tests.faults.proxy import Proxy
from tests.faults.trap import Trap

COMMIT = b"Q\x00\x00\x00\x0cCOMMIT;\x00"
COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"
WRITE = TITLE.encode()  # in the values of the statement that writes a batch, with or without locks
ENDED = (
    b"Z\x00\x00\x00\x05I"  # the server has ended a transaction, and waits for the next statement
)


def swallow_commits(proxy: Proxy, *, times: int = 1) -> Trap:
    """Let ``times`` transactions commit, and reset each connection instead of answering."""
    return proxy.swallow(COMMIT, answer=COMMITTED, times=times)


def swallow_writes(proxy: Proxy, *, times: int = 1) -> Trap:
    """Let so many writes commit, with or without locks, and reset each connection instead of
    answering.
    """
    return proxy.swallow(WRITE, answer=ENDED, times=times)
