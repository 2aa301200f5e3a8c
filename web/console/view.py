"""The arguments of pages and actions: the user, the request, and the gateway."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Generic
from urllib.parse import urlencode
from uuid import UUID

import attrs
from multidict import MultiDict
from typing_extensions import TypeVar

from web.gateway import Gateway
from web.http.problem import Problem
from web.identity.acting_user import ActingUser
from web.identity.passkeys import PasskeyHolder
from web.identity.roles import UserRole

Q = TypeVar("Q", default=None)

EVERYBODY: Final = frozenset(UserRole)
OVERSEERS: Final = frozenset({UserRole.ADMIN, UserRole.AUDITOR})  # roles that see everything
ADMINS: Final = frozenset({UserRole.ADMIN})  # the role that may also change everything
ACCOUNT_GONE: Final = Problem(403, "Your account no longer exists")


@attrs.frozen
class Who:
    """The signed-in user."""

    user: UUID
    role: UserRole


@attrs.frozen
class View(Generic[Q]):
    """A request for a page or an action. ``query``: the page's query, or the action's form.

    ``path`` and ``params`` are the canonical address of the view. ``fields``: the form as sent, for
    repeated names. ``session``: the session of the request's cookie.
    """

    gateway: Gateway
    who: Who
    path: str
    params: Mapping[str, str] = attrs.field(factory=dict[str, str])
    ids: Mapping[str, UUID] = attrs.field(factory=dict[str, UUID])
    query: Q = attrs.field(default=None)  # None unless the page declares a query
    fields: MultiDict[str] = attrs.field(factory=MultiDict[str])
    request_id: str = ""
    session: UUID | None = None
    base: str | None = None  # the address that the caller uses, for presigned URLs
    passkeys: PasskeyHolder | None = None  # the user as holder of passkeys

    @property
    def owner(self) -> UUID | None:
        """Return the user whose data is shown; None for users who see everything."""
        return None if self.who.role in OVERSEERS else self.who.user

    @property
    def may_change(self) -> bool:
        """Return True if actions are shown; auditors change nothing."""
        return self.who.role is not UserRole.AUDITOR

    @property
    def is_admin(self) -> bool:
        """Return True if the user may change everything."""
        return self.who.role is UserRole.ADMIN

    @property
    def doer(self) -> ActingUser:
        """Return the user as the audit log names them."""
        return ActingUser(self.gateway, self.who.user, self.request_id)

    @property
    def now(self) -> datetime:
        """Return the gateway's time."""
        return self.gateway.ports.clock.now()

    @property
    def url(self) -> str:
        """Return the address of this view."""
        return f"{self.path}?{urlencode(self.params)}" if self.params else self.path

    def key(self) -> str:
        """Return the view's key; views with equal keys show the same content.

        All users who see everything share one view per role.
        """
        scope = self.owner or self.who.role.value
        return f"{scope} {self.base or ''} {self.path}?{urlencode(sorted(self.params.items()))}"


def session_of(view: View[Any]) -> UUID:
    """Return the session of an action."""
    assert view.session is not None, "actions have a session"
    return view.session


@attrs.frozen
class Redirect:
    """A redirect after an action, or instead of a page, with a message.

    ``once``: a secret that the page shows once, with a button that copies it.
    """

    to: str
    said: str = ""
    once: str = attrs.field(default="", repr=False)


@attrs.frozen
class ExternalRedirect:
    """A redirect to an address that we made, possibly on another site."""

    url: str = attrs.field(repr=False)


@attrs.frozen
class Picture:
    """A response with a picture from a stranger, to be displayed and never executed."""

    body: bytes = attrs.field(repr=False)
    media: str


# A reader returns the template's variables, a Problem, or a redirect.
Shown = dict[str, Any]
