"""In-memory node tokens, which are numbered and open nothing."""

from itertools import count
from uuid import UUID

from actors.ports import NodeToken


class TwinTokens:
    """An issuer of node tokens, each valid for ``seconds``."""

    def __init__(self, seconds: float = 86_400.0) -> None:
        self.seconds = seconds
        self.issued: list[str] = []
        self._numbers = count(1)

    def issue(self, node: UUID) -> NodeToken:
        token = NodeToken(f"{node}.{next(self._numbers)}", self.seconds)
        self.issued.append(token.text)
        return token
