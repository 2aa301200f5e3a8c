"""Client of the suite, which sends requests, compares answers, and keeps the table of checks."""

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
    """One check: its name, its verdict and the reason."""

    name: str
    verdict: str
    why: str = ""


class Stuck(Exception):
    """A request on which later checks depend has failed."""


@dataclass
class Asker:
    """Client that records its checks; a path that begins with an item of ``later`` may give 404."""

    http: aiohttp.ClientSession
    url: str
    later: tuple[str, ...] = ()
    lines: list[Line] = field(default_factory=list[Line])

    def note(self, name: str, faults: list[str]) -> None:
        """Record a check with the faults that were found."""
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
        """Send a request, check status and shape, and return the body in any case.

        ``as_`` names what is special about this request.
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
        """Send a request that later checks need; raise Stuck if its check fails."""
        before = len(self.lines)
        found = await self.ask(*what, **more)
        if any(line.verdict != OK for line in self.lines[before:]):
            raise Stuck(self.lines[-1].name)
        return dict(found)

    async def until(self, path: str, token: str, status: str) -> Json:
        """Wait until the job has that status, record a check of it, and return the job."""
        found: Json = {}
        headers = {"Authorization": f"Bearer {token}"}
        deadline = time.monotonic() + ANSWER_SECONDS
        while found.get("status") != status and time.monotonic() < deadline:
            async with self.http.get(self.url + path, headers=headers) as answer:
                found = await answer.json()
            await asyncio.sleep(0.05)
        self.note(f"the job becomes {status}", differences(found, {"status": status}))
        return found
