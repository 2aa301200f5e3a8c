"""The page that asks for the second factor again, and returns to the form as it was filled in."""

from typing import Final

import attrs
from aiohttp import web
from multidict import MultiDict

from web.console.app_setup import CODE_WRONG, PASSKEY_WRONG
from web.console.forms import FormErrors, TypedValues, form_of
from web.console.page_responses import frame_of, gone_to, html, own_path
from web.console.registry import ROOT, Pages
from web.console.session import FOREIGN, SignedInVisitor, is_own, passkey_holder
from web.console.view import Redirect
from web.gateway import Gateway
from web.http.problem import Problem
from web.identity.passkeys import ANSWER_MAX, is_passkey_right, offered
from web.identity.second_factor import CODE_MAX, is_right

AGAIN: Final = f"{ROOT}/second-factor-again"
SAID: Final = "Your second factor counts for ten minutes. Check the form, and send it again."
PREFIX: Final = "sent."  # of the names of the first form's fields
# Fields that no page shows again.
SECRETS: Final = frozenset(
    {
        *("password", "old_password", "new_password", "deletion_password"),
        *("code", "assertion", "attestation"),
    }
)


@attrs.frozen
class RefusedForm:
    """A form that was refused until the user gives their factor: its page and its fields."""

    back: str
    fields: MultiDict[str] = attrs.field(repr=False)

    @classmethod
    def of(cls, fields: MultiDict[str]) -> "RefusedForm":
        """Read the form from the fields in which this page keeps it."""
        kept = ((name, text) for name, text in fields.items() if name.startswith(PREFIX))
        sent = MultiDict((name.removeprefix(PREFIX), text) for name, text in kept)
        return cls(own_path(fields.get("back", ROOT)), sent)

    @property
    def hidden(self) -> list[tuple[str, str]]:
        """Return the hidden fields that keep the form, without secrets."""
        sent = ((PREFIX + n, text) for n, text in self.fields.items() if n not in SECRETS)
        return [("back", self.back), *sent]

    @property
    def values(self) -> FormErrors:
        """Return the form as its page shows it, without errors."""
        return FormErrors("", {}, TypedValues.of(self.fields))


async def form_sent(request: web.Request, gateway: Gateway) -> MultiDict[str] | Problem:
    """Return the fields of this page's form."""
    if not is_own(request, gateway):
        return FOREIGN
    return await form_of(request, gateway.settings.server.body_seconds)


async def refusal_of_factor(
    request: web.Request, gateway: Gateway, visitor: SignedInVisitor, fields: MultiDict[str]
) -> str:
    """Use the passkey or the code of a form, and record in the session that the factor was given.

    Return why it is refused; '' if it is right.
    """
    user, sid = visitor.claims.subject, visitor.claims.family
    answer, code = fields.get("assertion", ""), fields.get("code", "")
    if answer:
        holder = passkey_holder(request, gateway, visitor)
        right = len(answer) <= ANSWER_MAX and await is_passkey_right(gateway, holder, answer)
    else:
        right = 0 < len(code) <= CODE_MAX and await is_right(gateway, user, code)
    now = gateway.ports.clock.now()
    if right and await gateway.tables.sessions.factor_given(sid, user, now):
        return ""
    return PASSKEY_WRONG if answer else CODE_WRONG


async def asked(
    request: web.Request,
    gateway: Gateway,
    pages: Pages,
    visitor: SignedInVisitor,
    sent: RefusedForm,
    *,
    refused: str = "",
) -> web.Response:
    """Return the page."""
    subject = visitor.claims.subject
    user = await gateway.tables.users.by_id(subject)
    state = await gateway.tables.second_factors.state(subject)
    context = {
        "frame": frame_of(request, pages, visitor, user),
        "title": "Second factor",
        "hidden": sent.hidden,
        "back": sent.back,
        "refused": refused,
        "has_app": state.app_since is not None,
        "options": await offered(gateway, passkey_holder(request, gateway, visitor)),
    }
    return html(request, gateway, "second_factor_again.html", context, 403)


def returned(request: web.Request, gateway: Gateway, sent: RefusedForm) -> web.Response:
    """Return to a page whose form has no fields."""
    return gone_to(request, gateway, Redirect(sent.back, SAID))
