"""Response models for organisations and trusted people."""

from datetime import datetime

import attrs

from rendertrust.value_types import Id


@attrs.frozen
class Organisation:
    """An organisation.

    ``role`` is your role in the organisation; until ``joined``, you are only invited.
    """

    id: Id
    name: str
    created_at: datetime
    role: str = "owner"
    joined: bool = True
    members: int = 1
    nodes: int = 0


@attrs.frozen
class Organisations:
    """The organisations that you are a member of or invited to, by name."""

    organisations: tuple[Organisation, ...]


@attrs.frozen
class Member:
    """A member, or an invitation: ``joined_at`` is null until the invitation is accepted.

    Until then ``user_id`` identifies the invitation and ``name`` is empty. An invitation therefore
    does not reveal whether the address has an account.
    """

    user_id: Id
    email: str
    name: str
    role: str
    invited_at: datetime
    joined_at: datetime | None


@attrs.frozen
class LentNode:
    """A node that its owner lends to the organisation."""

    node_id: Id
    name: str
    owner_id: Id
    status: str
    lent_at: datetime


@attrs.frozen
class OrganisationPage:
    """An organisation with its members and nodes."""

    id: Id
    name: str
    created_at: datetime
    role: str
    members: tuple[Member, ...]
    nodes: tuple[LentNode, ...]


@attrs.frozen
class Trusted:
    """A trusted address. ``user_id`` names the trusted address in a ``DELETE`` request.

    ``user_id`` is not an account's id. ``name`` is always empty. The list therefore does not reveal
    whether an address has an account.
    """

    user_id: Id
    email: str
    since: datetime
    name: str = ""


@attrs.frozen
class TrustedPeople:
    """All addresses that you trust."""

    trusted: tuple[Trusted, ...]
