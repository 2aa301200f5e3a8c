"""Errors of the database, in the three kinds that callers distinguish."""

import asyncpg


class Unavailable(Exception):
    """The database is down or too slow. A single statement may have taken effect."""


class AnswerLost(Unavailable):
    """COMMIT was sent without an answer: it is unknown whether it happened."""


class Conflict(Exception):
    """A deadlock or similar: nothing happened, and the same may be tried again."""


class Mismatch(Conflict):
    """The stored rows do not match the write: another was faster, or it will never succeed."""


class Refused(Exception):
    """The database refuses the data (CHECK, foreign key, range, characters): a caller's bug."""


AWAY = (
    OSError,  # refused, reset, no such socket; TimeoutError too
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting, statement timed out
    asyncpg.InsufficientResourcesError,  # too many connections, disk or memory full
    asyncpg.ReadOnlySQLTransactionError,  # a standby answers
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    asyncpg.InternalClientError,  # the protocol exchange broke off
)
AGAIN = (
    asyncpg.TransactionRollbackError,  # deadlock, serialisation
    asyncpg.LockNotAvailableError,
    asyncpg.InvalidCachedStatementError,  # the schema changed
)
DATA = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)


def away(error: BaseException) -> bool:
    """Return True if ``error`` means that the database is down."""
    if isinstance(error, asyncpg.InterfaceError):
        # "connection is closed", "pool is closing", "has been released back to the pool" (when it
        # broke). All others are our bugs, such as arguments of a wrong type, whose text may be
        # anything.
        gone = "clos" in str(error) or "released" in str(error)
        return gone and not isinstance(error, ValueError)
    return isinstance(error, AWAY)


def refused(error: Exception) -> bool:
    """Return True if the database, or asyncpg before it, refuses the data of a statement."""
    client = isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError)
    return client or isinstance(error, DATA)
