"""Exit codes of failed commands, each with a message and a hint."""

from collections.abc import Mapping
from typing import Any

import attrs

from rendertrust.cli import value_text


@attrs.frozen
class Exit:
    """The exit code of a failed command, and its error. ``name`` is for programs.

    ``detail`` (what happened) and ``hint`` (what to do next) are for people.
    """

    code: int
    name: str
    detail: str
    hint: str
    facts: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    more: str = ""  # the URL of a page that explains the error

    def document(self) -> dict[str, Any]:
        """Return the document that ``--json`` prints."""
        members = {"exit_code": self.code, "detail": self.detail, "hint": self.hint}
        facts = {**self.facts, "more": self.more or None}
        known = {name: value for name, value in facts.items() if value not in (None, ())}
        return {"error": {"code": self.name, **members, **known}}

    def text(self) -> str:
        """Return the message for people."""
        if not self.detail:
            return self.hint
        lines = [f"rendertrust: {value_text.harmless(self.detail)}"]
        lines += [f"  {line}" for line in self.hint.splitlines()]
        request = self.facts.get("request_id")
        if self.name == "gateway_fault" and request:
            lines.append(
                f"  The operator of the gateway can find the cause by the request id {request}."
            )
        if self.more:
            lines.append(f"  More: {self.more}")
        return "\n".join(lines)


class CommandExit(Exception):
    """Error by which a command ends with the exit code, message and hint in ``ending``."""

    def __init__(self, ending: Exit) -> None:
        super().__init__(ending.detail)
        self.ending = ending
