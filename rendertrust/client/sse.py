"""Server-sent events out of bytes, however these are cut."""

from collections.abc import Iterator
from typing import Final

import attrs

from rendertrust.client.errors import BadAnswer

LINE_BYTES_MAX: Final = 1 << 20


@attrs.frozen
class ServerSentEvent:
    """One event: its name, its id (None: it has none) and its data."""

    name: str
    id: str | None
    data: str


class SseParser:
    """Feed it what comes; what is not finished when the stream ends is nothing."""

    def __init__(self) -> None:
        self._rest = b""
        self._begin()

    def feed(self, content: bytes) -> Iterator[ServerSentEvent]:
        """The events that end within it. Raises BadAnswer for a line without an end."""
        *lines, self._rest = (self._rest + content).split(b"\n")
        if len(self._rest) > LINE_BYTES_MAX:
            raise BadAnswer(f"A line of the stream is longer than {LINE_BYTES_MAX} bytes")
        for line in lines:
            text = line.decode("utf-8", "replace").removesuffix("\r")
            if text:
                self._take(text)
                continue
            if self._data:
                yield ServerSentEvent(self._name, self._id, "\n".join(self._data))
            self._begin()

    def _begin(self) -> None:
        self._name = "message"
        self._id: str | None = None
        self._data: list[str] = []

    def _take(self, line: str) -> None:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "id":
            self._id = value
        elif field == "data":
            self._data.append(value)
