"""The gateway's verifiers, as far as the Scheduler needs them: which builds they have.

What none of them can compare is unverifiable in the end. So strangers' work goes to such nodes
last.
"""

from typing import Final
from uuid import UUID

import attrs

from actors.scheduler.node import Node
from sql.kin import Kin, kin_of
from sql.work import ACTIVE

CHECK: Final = "check"


def checks(node: Node) -> bool:
    """Whether it is there, and may be asked to look at what others render."""
    says = node.session is not None and CHECK in (node.offered or ())
    return says and node.standing.name == ACTIVE and bool(node.kit.device_class)


@attrs.define
class OwnVerifiers:
    """What kinds of machines those that are there can check."""

    _kin: dict[UUID, Kin] = attrs.field(factory=dict[UUID, Kin])

    def learn(self, node: Node) -> bool:
        """Of one of the gateway's own; whether what they can check may be another now."""
        before = self._kin.pop(node.id, None)
        if checks(node):
            self._kin[node.id] = kin_of(node.kit.device_class)
        return before != self._kin.get(node.id)

    def can_check(self, node: Node) -> bool:
        """Whether one of them can check what it renders; where there is none nobody is worse."""
        machine = node.kit.device_class
        return not (self._kin and machine) or kin_of(machine) in self._kin.values()
