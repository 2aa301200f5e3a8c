"""Port of leadership: decides which gateway does a task that only one gateway should do."""

from typing import Literal, Protocol, TypeAlias

Role: TypeAlias = Literal["auditor", "lifeline"]


class Leadership(Protocol):
    """At most one gateway leads in a role; when the leader dies or disconnects, another gateway
    takes over.

    A leader that has just lost the role may still finish what it began. Leadership only saves work;
    the correctness of the books must not depend on it.
    """

    async def leads(self, role: Role) -> bool:
        """Return True if this gateway leads now; it takes the role if that is free.

        If this gateway alone must not write (``sql.halts``), it neither takes nor keeps the role
        "lifeline", as all its decisions would be refused. It may have the role "auditor", in which
        it only reads and records findings. Raises ``sql.database.Unavailable``: the role may have
        been lost.
        """
        ...
