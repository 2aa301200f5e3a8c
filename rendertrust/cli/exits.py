"""How a command ends when it does not end well: an exit code, what happened, what to do next."""

from collections.abc import Mapping
from typing import Any

import attrs

from rendertrust.cli import formatting


@attrs.frozen
class Exit:
    """``name`` is for programs, ``detail`` and ``hint`` for people: what happened, what to do."""

    code: int
    name: str
    detail: str
    hint: str
    facts: Mapping[str, Any] = attrs.field(factory=dict[str, Any])

    def document(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        members = {"exit_code": self.code, "detail": self.detail, "hint": self.hint}
        known = {name: value for name, value in self.facts.items() if value not in (None, ())}
        return {"error": {"code": self.name, **members, **known}}

    def text(self) -> str:
        """What people read."""
        if not self.detail:
            return self.hint
        lines = [f"rendertrust: {formatting.harmless(self.detail)}"]
        lines += [f"  {line}" for line in self.hint.splitlines()]
        request = self.facts.get("request_id")
        if self.name == "gateway_fault" and request:
            lines.append(f"  Its operator finds the reason by the request id {request}.")
        return "\n".join(lines)


class CommandExit(Exception):
    """Raised by a command that knows best how it ends."""

    def __init__(self, ending: Exit) -> None:
        super().__init__(ending.detail)
        self.ending = ending
