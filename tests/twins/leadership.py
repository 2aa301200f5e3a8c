"""Leadership in memory: gateways that share a table of who leads."""

from typing import Final

import attrs

from actors.ports.leadership import Role
from sql.database import Unavailable
from sql.leadership import WRITING

ROLES: Final[tuple[Role, ...]] = ("auditor", "lifeline")


@attrs.define
class Leads:
    """Who leads in each role; one for all gateways."""

    by_role: dict[Role, object] = attrs.field(factory=dict[Role, object])


class TwinLeadership:
    """One gateway's. ``away``: the database is. ``halted``: this gateway alone may not write."""

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
        """Its connection breaks, which it hears when it speaks next."""
        self._let_go(*ROLES)
        self.is_broken = True

    async def close(self) -> None:
        self._let_go(*ROLES)

    def _let_go(self, *roles: Role) -> None:
        for role in roles:
            if self.table.by_role.get(role) is self:
                del self.table.by_role[role]
