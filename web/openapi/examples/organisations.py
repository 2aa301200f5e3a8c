"""Examples of organisations and trust."""

from typing import Final

from web.openapi.examples.reference import NODE_ID, USER_ID, Example

ORGANISATION_ID: Final = "7a6b5c4d-3e2f-4a1b-8c9d-0e1f2a3b4c5d"
DONE: Final[Example] = {"message": "Done"}
NEW_ORGANISATION: Final[Example] = {"name": "Red Barn Pictures"}
ORGANISATION: Final[Example] = {
    "id": ORGANISATION_ID,
    "name": "Red Barn Pictures",
    "created_at": "2026-03-13T12:00:00Z",
    "role": "owner",
    "joined": True,
    "members": 1,
    "nodes": 0,
}
ORGANISATIONS: Final[Example] = {"organisations": [ORGANISATION]}
WHOLE: Final[Example] = {
    "id": ORGANISATION_ID,
    "name": "Red Barn Pictures",
    "created_at": "2026-03-13T12:00:00Z",
    "role": "owner",
    "members": [
        {
            "user_id": USER_ID,
            "email": "user@example.com",
            "name": "Jane Smith",
            "role": "owner",
            "invited_at": "2026-03-13T12:00:00Z",
            "joined_at": "2026-03-13T12:00:00Z",
        }
    ],
    "nodes": [
        {
            "node_id": NODE_ID,
            "name": "attic",
            "owner_id": USER_ID,
            "status": "HEALTHY",
            "lent_at": "2026-03-13T12:05:00Z",
        }
    ],
}
INVITATION: Final[Example] = {"email": "bob@example.com", "role": "member"}
ROLE: Final[Example] = {"role": "owner"}
SOMEBODY: Final[Example] = {"email": "bob@example.com"}
TRUSTED: Final[Example] = {
    "trusted": [
        {
            "user_id": USER_ID,
            "email": "bob@example.com",
            "name": "",
            "since": "2026-03-13T12:00:00Z",
        }
    ]
}
