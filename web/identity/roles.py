"""Rights of callers: the roles of people, and the scopes of API keys."""

from enum import Enum
from typing import Literal, TypeAlias


class UserRole(Enum):
    """A user's role. Tokens contain the role, and a change of the role revokes the user's
    tokens.
    """

    USER = "user"
    OPERATOR = "operator"  # runs nodes
    ADMIN = "admin"
    AUDITOR = "auditor"  # may see what an admin sees, but change nothing


class Scope(Enum):
    """The right of an API key. Users who are logged in have all rights."""

    JOBS_READ = "jobs:read"
    JOBS_WRITE = "jobs:write"
    UPLOADS_WRITE = "uploads:write"
    CREDITS_READ = "credits:read"
    CREDITS_WRITE = "credits:write"
    NODES_READ = "nodes:read"
    NODES_WRITE = "nodes:write"


# The same words as types, for requests and their schema.
RoleName: TypeAlias = Literal["user", "operator", "admin", "auditor"]
ScopeName: TypeAlias = Literal[
    "jobs:read",
    "jobs:write",
    "uploads:write",
    "credits:read",
    "credits:write",
    "nodes:read",
    "nodes:write",
]
