"""In-memory Leadership: gateways share a table of who leads in each role."""

from typing import Final

import attrs

from actors.ports.leadership import Role
from sql.database import Unavailable
from sql.leadership import WRITING

ROLES: Final[tuple[Role, ...]] = ("auditor", "lifeline")


@attrs.define
class Leads:
    """The leader of each role; all gateways share one object."""

    by_role: dict[Role, object] = attrs.field(factory=dict[Role, object])


class TwinLeadership:
    """Leadership of one gateway; ``away`` says that the database is unavailable.

    ``halted``: this gateway may not write, but other gateways may.
    """

    def __init__(self, leads: Leads) -> None:
        self.table = leads
        self.away = self.halted = False
        self.is_broken = False

    async def leads(self, role: Role) -> bool:
        if self.away or self.is_broken:
            self.is_broken = False
            raise Unavailable("its connection broke")
        if self.halted and role in WRITING:
            self._let_go(role)
            return False
        return self.table.by_role.setdefault(role, self) is self

    def cut(self) -> None:
        """Break the connection, which gives up all roles; the next call notices it."""
        self._let_go(*ROLES)
        self.is_broken = True

    async def close(self) -> None:
        self._let_go(*ROLES)

    def _let_go(self, *roles: Role) -> None:
        for role in roles:
            if self.table.by_role.get(role) is self:
                del self.table.by_role[role]
