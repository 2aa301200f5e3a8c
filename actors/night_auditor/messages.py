"""Messages of the NightAuditor."""

import attrs

from actors.kernel import Message


class NightAuditor:
    """Marker type for the address of the actor that audits everything."""


@attrs.frozen
class RunWhole(Message[NightAuditor, None]):
    """From an Auditor that has just become the leader, or from an admin: audit all rows now."""


@attrs.frozen
class LookAtClock(Message[NightAuditor, None]):
    """From the NightAuditor's own timer: start the nightly audit if it is due."""
