"""What a page or an action is given: who looks, at what, and through which gateway."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Generic
from urllib.parse import urlencode
from uuid import UUID

import attrs
from multidict import MultiDict
from typing_extensions import TypeVar

from web.gateway import Gateway
from web.identity.roles import UserRole

Q = TypeVar("Q", default=None)

EVERYBODY: Final = frozenset(UserRole)
OVERSEERS: Final = frozenset({UserRole.ADMIN, UserRole.AUDITOR})  # who see everything
ADMINS: Final = frozenset({UserRole.ADMIN})  # who change it too


@attrs.frozen
class Who:
    """Somebody who is signed in."""

    user: UUID
    role: UserRole


@attrs.frozen
class View(Generic[Q]):
    """One look at a page, or one action: ``query`` is the page's query or the action's form.

    ``path`` and ``params`` are the address that shows just this. ``fields`` is the form as it
    came, for names that stand in it more than once.
    """

    gateway: Gateway
    who: Who
    path: str
    params: Mapping[str, str] = attrs.field(factory=dict[str, str])
    ids: Mapping[str, UUID] = attrs.field(factory=dict[str, UUID])
    query: Q = attrs.field(default=None)  # unless one is declared
    fields: MultiDict[str] = attrs.field(factory=MultiDict[str])
    request_id: str = ""
    base: str | None = None  # where the caller finds us, for presigned URLs; None: as settings say

    @property
    def owner(self) -> UUID | None:
        """Whose things are shown: None for those who see everybody's."""
        return None if self.who.role in OVERSEERS else self.who.user

    @property
    def may_change(self) -> bool:
        """Whether buttons are shown at all: an auditor looks and changes nothing."""
        return self.who.role is not UserRole.AUDITOR

    @property
    def is_admin(self) -> bool:
        """Whether everything may be changed."""
        return self.who.role is UserRole.ADMIN

    @property
    def now(self) -> datetime:
        """The gateway's time."""
        return self.gateway.clock.now()

    @property
    def url(self) -> str:
        """The address of this view."""
        return f"{self.path}?{urlencode(self.params)}" if self.params else self.path

    def key(self) -> str:
        """Views with one key show the same: all who see everything see it alike, by their role."""
        scope = self.owner or self.who.role.value
        return f"{scope} {self.base or ''} {self.path}?{urlencode(sorted(self.params.items()))}"


@attrs.frozen
class Redirect:
    """After an action, or instead of a page: where to go on, and what to say there."""

    to: str
    said: str = ""


@attrs.frozen
class ExternalRedirect:
    """Instead of a page: an address that may be another site's, made by ourselves."""

    url: str = attrs.field(repr=False)


@attrs.frozen
class Picture:
    """Instead of a page: a picture that a stranger made. It is shown, and never run."""

    body: bytes = attrs.field(repr=False)
    media: str


# What a page's reader returns: the template's variables, a Problem, or a Go.
Shown = dict[str, Any]
