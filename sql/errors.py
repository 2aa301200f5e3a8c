"""What can go wrong between us and the database, in the three kinds that callers tell apart."""

import asyncpg


class Unavailable(Exception):
    """The database is away, or too slow to answer. What one statement wrote may be there."""


class AnswerLost(Unavailable):
    """COMMIT was sent and nothing came back: whether it happened is unknown."""


class Conflict(Exception):
    """A deadlock or the like: another was faster, nothing happened, the same may be tried again."""


class Mismatch(Conflict):
    """What is there does not go with what is written: somebody was faster, or it never will."""


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
    asyncpg.InternalClientError,  # the conversation broke off in the middle
)
AGAIN = (
    asyncpg.TransactionRollbackError,  # deadlock, serialisation
    asyncpg.LockNotAvailableError,
    asyncpg.InvalidCachedStatementError,  # the schema moved on
)
DATA = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)


def away(error: BaseException) -> bool:
    """Whether ``error`` means that the database is away."""
    if isinstance(error, asyncpg.InterfaceError):
        # "connection is closed", "pool is closing", "has been released back to the pool" (when it
        # broke); the rest are mistakes of ours, among them arguments of a wrong type, whose text
        # may say anything.
        gone = "clos" in str(error) or "released" in str(error)
        return gone and not isinstance(error, ValueError)
    return isinstance(error, AWAY)


def refused(error: Exception) -> bool:
    """Whether the database, or asyncpg before it, refuses the data of a statement."""
    client = isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError)
    return client or isinstance(error, DATA)
