"""Organisations and trust: whose nodes may do whose work."""

from typing import Literal, TypeAlias
from uuid import UUID

from rendertrust.api.organisations import (
    Organisation,
    OrganisationPage,
    Organisations,
    TrustedPeople,
)
from rendertrust.client.base import ApiBase
from rendertrust.client.response_decoder import read
from rendertrust.client.transport import ApiCall

MemberRole: TypeAlias = Literal["owner", "member"]
_ORGANISATIONS, _TRUSTED = "/api/v1/organisations", "/api/v1/trusted"


class OrganisationsApi(ApiBase):
    """A part of ``AsyncClient``."""

    async def organisations(self) -> Organisations:
        """Those that one is a member of, or invited to."""
        return read(Organisations, await self._get(_ORGANISATIONS))

    async def organisation(self, organisation_id: str | UUID) -> OrganisationPage:
        """Its members and nodes. NotFound: one is not a member."""
        return read(OrganisationPage, await self._get(_path(organisation_id)))

    async def found_organisation(self, name: str) -> Organisation:
        """A new one, of which one is the owner. Conflict: one is in too many."""
        call = ApiCall("POST", _ORGANISATIONS, {"name": name}, repeatable=False)
        return read(Organisation, await self._login.send(call))

    async def end_organisation(self, organisation_id: str | UUID) -> None:
        """It is no more, and its nodes are their owners' alone. Forbidden: only owners may."""
        await self._login.send(ApiCall("DELETE", _path(organisation_id)))

    async def invite(
        self, organisation_id: str | UUID, email: str, role: MemberRole = "member"
    ) -> None:
        """Invite whoever has this address there; nobody is told whether somebody has. Conflict: it
        was invited already, or is a member's.
        """
        body = {"email": email, "role": role}
        await self._login.send(ApiCall("POST", _path(organisation_id) + "/members", body))

    async def accept_invitation(self, organisation_id: str | UUID) -> None:
        """Be a member. NotFound: one was not invited."""
        await self._login.send(ApiCall("POST", _path(organisation_id) + "/accept"))

    async def set_member_role(
        self, organisation_id: str | UUID, user_id: str | UUID, role: MemberRole
    ) -> None:
        """Make a member an owner, or the other way. Conflict: it needs an owner."""
        path = f"{_path(organisation_id)}/members/{UUID(str(user_id))}"
        await self._login.send(ApiCall("PUT", path, {"role": role}))

    async def remove_member(self, organisation_id: str | UUID, user_id: str | UUID) -> None:
        """Leave, decline, or remove somebody as an owner. Conflict: it needs an owner."""
        path = f"{_path(organisation_id)}/members/{UUID(str(user_id))}"
        await self._login.send(ApiCall("DELETE", path))

    async def lend_node(self, organisation_id: str | UUID, node_id: str | UUID) -> None:
        """Let the organisation's members use a node of one's own for nothing."""
        path = f"{_path(organisation_id)}/nodes/{UUID(str(node_id))}"
        await self._login.send(ApiCall("PUT", path))

    async def take_node_back(self, organisation_id: str | UUID, node_id: str | UUID) -> None:
        """It is its owner's alone again."""
        path = f"{_path(organisation_id)}/nodes/{UUID(str(node_id))}"
        await self._login.send(ApiCall("DELETE", path))

    async def trusted(self) -> TrustedPeople:
        """Whom one trusts: jobs of the pool ``trusted`` go to their nodes too."""
        return read(TrustedPeople, await self._get(_TRUSTED))

    async def trust(self, email: str) -> None:
        """Trust whoever has this address there; nobody is told whether somebody has."""
        await self._login.send(ApiCall("POST", _TRUSTED, {"email": email}))

    async def distrust(self, user_id: str | UUID) -> None:
        """Trust an entry of ``trusted`` no more. NotFound: there is none."""
        await self._login.send(ApiCall("DELETE", f"{_TRUSTED}/{UUID(str(user_id))}"))


def _path(organisation_id: str | UUID) -> str:
    return f"{_ORGANISATIONS}/{UUID(str(organisation_id))}"
