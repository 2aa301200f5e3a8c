"""Response models for organisations and trusted people."""

from datetime import datetime

import attrs

from rendertrust.api.text_formats import Id


@attrs.frozen
class Organisation:
    """An organisation. ``role`` is yours; you are only invited until ``joined``."""

    id: str
    name: str
    created_at: datetime
    role: str
    joined: bool
    members: int
    nodes: int


@attrs.frozen
class Organisations:
    """The organisations that you are a member of or invited to, by name."""

    organisations: tuple[Organisation, ...]


@attrs.frozen
class Member:
    """A member, or an invitation: ``joined_at`` is null until it is accepted.

    Until then ``user_id`` identifies the invitation and ``name`` is empty, so that you don't learn
    whether the address has an account.
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
    """An address that you trust. ``user_id`` identifies the entry; ``name`` is empty."""

    user_id: str
    email: str
    name: str
    since: datetime


@attrs.frozen
class TrustedPeople:
    """All addresses that you trust, in order."""

    trusted: tuple[Trusted, ...]
