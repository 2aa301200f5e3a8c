"""What callers may do: the roles of people, and the scopes of API keys."""

from enum import Enum
from typing import Literal, TypeAlias


class UserRole(Enum):
    """Of a user; it stands in his tokens, and a change of it ends them."""

    USER = "user"
    OPERATOR = "operator"  # runs nodes
    ADMIN = "admin"
    AUDITOR = "auditor"  # an admin who may look and change nothing


class Scope(Enum):
    """What an API key may do. People who are logged in may do all of it."""

    JOBS_READ = "jobs:read"
    JOBS_WRITE = "jobs:write"
    UPLOADS_WRITE = "uploads:write"
    CREDITS_READ = "credits:read"
    CREDITS_WRITE = "credits:write"
    NODES_READ = "nodes:read"
    NODES_WRITE = "nodes:write"


# The same as types, for requests and their schema.
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
