"""Organisations and trust, for programs without asyncio."""

from uuid import UUID

from rendertrust.api.organisations import (
    Organisation,
    OrganisationPage,
    Organisations,
    TrustedPeople,
)
from rendertrust.client.async_client import AsyncClient
from rendertrust.client.loop_thread import LoopThread
from rendertrust.client.organisations import MemberRole


class SyncOrganisationsApi:
    """A part of ``Client``; methods as AsyncClient's."""

    _client: AsyncClient
    _bridge: LoopThread

    def organisations(self) -> Organisations:
        """Those that one is a member of, or invited to."""
        return self._bridge.run(self._client.organisations())

    def organisation(self, organisation_id: str | UUID) -> OrganisationPage:
        """Its members and nodes."""
        return self._bridge.run(self._client.organisation(organisation_id))

    def found_organisation(self, name: str) -> Organisation:
        """A new one, of which one is the owner."""
        return self._bridge.run(self._client.found_organisation(name))

    def end_organisation(self, organisation_id: str | UUID) -> None:
        """It is no more."""
        self._bridge.run(self._client.end_organisation(organisation_id))

    def invite(self, organisation_id: str | UUID, email: str, role: MemberRole = "member") -> None:
        """Ask somebody in."""
        self._bridge.run(self._client.invite(organisation_id, email, role))

    def accept_invitation(self, organisation_id: str | UUID) -> None:
        """Be a member."""
        self._bridge.run(self._client.accept_invitation(organisation_id))

    def set_member_role(
        self, organisation_id: str | UUID, user_id: str | UUID, role: MemberRole
    ) -> None:
        """Make a member an owner, or the other way."""
        self._bridge.run(self._client.set_member_role(organisation_id, user_id, role))

    def remove_member(self, organisation_id: str | UUID, user_id: str | UUID) -> None:
        """Leave, decline, or remove somebody."""
        self._bridge.run(self._client.remove_member(organisation_id, user_id))

    def lend_node(self, organisation_id: str | UUID, node_id: str | UUID) -> None:
        """Let the organisation's members use a node of one's own."""
        self._bridge.run(self._client.lend_node(organisation_id, node_id))

    def take_node_back(self, organisation_id: str | UUID, node_id: str | UUID) -> None:
        """It is its owner's alone again."""
        self._bridge.run(self._client.take_node_back(organisation_id, node_id))

    def trusted(self) -> TrustedPeople:
        """Whom one trusts."""
        return self._bridge.run(self._client.trusted())

    def trust(self, email: str) -> None:
        """Trust whoever has this address there."""
        self._bridge.run(self._client.trust(email))

    def distrust(self, user_id: str | UUID) -> None:
        """Trust him no more."""
        self._bridge.run(self._client.distrust(user_id))
