"""The user who acts, for the audit log. Whether they may act is checked elsewhere."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import attrs

from sql.audit_log import Act
from web.gateway import Gateway


@attrs.frozen
class ActingUser:
    """An admin, an owner of nodes or a member of an organisation; ``request_id``: their request."""

    gateway: Gateway
    user: UUID
    request_id: str

    async def act(
        self, name: str, target: str, reason: str, details: Mapping[str, Any]
    ) -> Act | None:
        """Return the record of what the user is about to do; None if the user no longer exists."""
        user = await self.gateway.tables.users.by_id(self.user)
        if user is None:
            return None
        return Act(
            at=self.gateway.ports.clock.now(),
            actor_id=user.id,
            actor=user.email,
            act=name,
            target=target,
            reason=reason,
            request_id=self.request_id,
            details=details,
        )
