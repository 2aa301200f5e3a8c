"""Which of several gateways does what one of them alone needs to do."""

from typing import Final, Literal, Protocol, TypeAlias

Role: TypeAlias = Literal["auditor", "lifeline"]


class Leadership(Protocol):
    """At most one gateway leads in a role. When it dies or loses its connection, another does.

    A leader that has just lost the lead may still finish what it began: leadership saves work, and
    no rule of the books may rest on it.
    """

    async def leads(self, role: Role) -> bool:
        """Return whether this gateway leads now; it takes the lead where nobody has it.

        A gateway that alone may not write (``sql.halts``) neither takes nor keeps "lifeline", as
        all that it decided would be refused. It may be the auditor, who only reads, and notes.
        Raises ``sql.database.Unavailable``: whoever had the lead may have lost it.
        """
        ...


class Alone:
    """The leadership of a gateway that has no others beside it."""

    async def leads(self, role: Role) -> bool:
        return True


ALONE: Final = Alone()
