"""Asks, compares, and keeps the table of what was found."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.acceptance.conformance.shapes import Shape, differences

Json = dict[str, Any]
ANSWER_SECONDS = 10.0
OK, WRONG, ABSENT = "ok", "WRONG", "not there yet"


@dataclass
class Line:
    """One check: what, how it went, and why."""

    name: str
    verdict: str
    why: str = ""


class Stuck(Exception):
    """What comes next needs an answer that did not come."""


@dataclass
class Asker:
    """``later``: beginnings of paths that may still be missing, with 404."""

    http: aiohttp.ClientSession
    url: str
    later: tuple[str, ...] = ()
    lines: list[Line] = field(default_factory=list[Line])

    def note(self, name: str, faults: list[str]) -> None:
        """A check of its own."""
        self.lines.append(Line(name, WRONG if faults else OK, "; ".join(faults[:4])))

    async def ask(
        self,
        method: str,
        path: str,
        status: int,
        shape: Shape,
        body: Any = None,
        *,
        token: str = "",
        as_: str = "",
    ) -> Any:
        """Call, and check status and shape; the body, whatever it was.

        ``as_`` says what is special about this call.
        """
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        async with self.http.request(
            method, self.url + path, json=body, headers=headers, timeout=timeout
        ) as answer:
            text = await answer.text()
            found = json.loads(text) if answer.content_type.endswith("json") else text
            name = f"{method} {path.partition('?')[0]} → {status}{f' {as_}' if as_ else ''}"
            if answer.status == 404 != status and path.startswith(self.later):
                self.lines.append(Line(name, ABSENT))
                return None
            if answer.status == status:
                faults = differences(found, shape)
                if status == 401 and "WWW-Authenticate" not in answer.headers:
                    faults.append("no WWW-Authenticate")
            else:
                faults = [f"answered {answer.status} {text[:200]}"]
            self.note(name, faults)
            return found

    async def need(self, *what: Any, **more: Any) -> Json:
        """``ask`` for what all else rests on."""
        before = len(self.lines)
        found = await self.ask(*what, **more)
        if any(line.verdict != OK for line in self.lines[before:]):
            raise Stuck(self.lines[-1].name)
        return dict(found)

    async def until(self, path: str, token: str, status: str) -> Json:
        """The job, once it has that status; checked."""
        found: Json = {}
        headers = {"Authorization": f"Bearer {token}"}
        deadline = time.monotonic() + ANSWER_SECONDS
        while found.get("status") != status and time.monotonic() < deadline:
            async with self.http.get(self.url + path, headers=headers) as answer:
                found = await answer.json()
            await asyncio.sleep(0.05)
        self.note(f"the job becomes {status}", differences(found, {"status": status}))
        return found
