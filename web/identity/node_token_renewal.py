"""New tokens for nodes whose socket is open, signed with the gateway's keys."""

from uuid import UUID

import attrs

from actors.ports import NodeToken, Random
from web.identity.tokens import Tokens, TokenType


@attrs.frozen
class SignedNodeTokens:
    """``NodeTokens`` over the gateway's keys."""

    tokens: Tokens
    random: Random

    def issue(self, node: UUID) -> NodeToken:
        text, claims = self.tokens.issue(TokenType.NODE, node, self.random.uuid())
        return NodeToken(text, (claims.expires - claims.issued).total_seconds())
