"""The gateway's verifiers, as far as the Scheduler needs them: which builds they have.

What none of them can compare is unverifiable in the end. So strangers' work goes to such nodes
last.
"""

from typing import Final
from uuid import UUID

import attrs

from actors.scheduler.node import Node
from sql.device_class import are_comparable
from sql.scheduler_rows import ACTIVE

CHECK: Final = "check"


def checks(node: Node) -> bool:
    """Whether it is there, and may be asked to look at what others render."""
    says = node.session is not None and CHECK in (node.offered or ())
    return says and node.standing.name == ACTIVE and bool(node.resources.device_class)


@attrs.define
class VerifierClasses:
    """Classes of those that are connected."""

    _classes: dict[UUID, str] = attrs.field(factory=dict[UUID, str])

    def learn(self, node: Node) -> bool:
        """Of one of the gateway's own; whether what they can check may be another now."""
        before = self._classes.pop(node.id, None)
        if checks(node):
            self._classes[node.id] = node.resources.device_class
        return before != self._classes.get(node.id)

    def can_check(self, node: Node) -> bool:
        """Whether one of them can check what it renders; where there is none nobody is worse."""
        machine = node.resources.device_class
        classes = self._classes.values()
        return not (classes and machine) or any(are_comparable(one, machine) for one in classes)
