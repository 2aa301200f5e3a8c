"""Tokens of nodes that open nothing: numbered, so that tests see which is the newest."""

from itertools import count
from uuid import UUID

from actors.ports import NodeToken


class TwinTokens:
    """Each is good for ``seconds``."""

    def __init__(self, seconds: float = 86_400.0) -> None:
        self.seconds = seconds
        self.issued: list[str] = []
        self._numbers = count(1)

    def issue(self, node: UUID) -> NodeToken:
        token = NodeToken(f"{node}.{next(self._numbers)}", self.seconds)
        self.issued.append(token.text)
        return token
