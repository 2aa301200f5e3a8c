"""Sign-in with OpenID Connect: the way to a provider, and its answer.

The browser's cookie has a token, and the database a row with the token's hash, until the provider
answers. A sign-in that was begun in another browser, was answered before or took too long ends on a
page that says so.
"""

from datetime import timedelta
from enum import Enum
from typing import Annotated, Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import attrs
import structlog
from aiohttp import web
from msgspec import Meta
from multidict import MultiDict, MultiMapping

from rendertrust import money
from sql.identities import IdentityKey, IdentityTaken, IdentityUser, NewIdentity, ProviderSignInRow
from sql.invitations import NotInvited
from sql.link_tokens import digest_of
from sql.users import NewUser
from web.console.page_responses import SIGN_IN, frame_of, gone_to, html, own_path
from web.console.provided_role import with_given_role
from web.console.registry import ROOT, Pages
from web.console.second_step import SecondStep, Step, again
from web.console.session import HOST_PREFIX, SignedInVisitor, is_secure, visitor_of
from web.console.session_start import begun, new_session, own_form
from web.console.view import Redirect
from web.gateway import Gateway
from web.http.converter import Email, structure_query
from web.http.endpoint import CLOSING, is_open
from web.http.json_document import mended
from web.http.problem import Problem, sentence, unavailable
from web.http.public_host import reached_at
from web.identity.id_tokens import TokenRefused
from web.identity.invitation_tokens import SIGN_UP, TOKEN_MAX
from web.identity.providers import (
    CodeRefused,
    Provider,
    ProviderIdentity,
    ProviderUnavailable,
    SignInSecrets,
    role_of_groups,
)
from web.identity.roles import UserRole
from web.routes.auth import grant_starter, mail_id

log = structlog.get_logger("provider_sign_in")

START: Final = f"{SIGN_IN}/with/{{provider}}"
CALLBACK: Final = f"{START}/callback"
COOKIE: Final = "rendertrust-provider"
TOKEN_BYTES: Final = 32
LASTS: Final = timedelta(minutes=10)
FIRST: Final = f"{ROOT}/jobs/new"  # where new users begin, unless they came for another page
PASSWORD_BYTES: Final = 32  # of the unknown password of an account without one
NAME_MAX: Final = 255
EMAIL_MAX: Final = 320  # characters of an address that are kept to recognise an identity
PARAMETER_MAX: Final = 4_000  # characters of a parameter of a provider's answer
NO_PROVIDER: Final = Problem(404, "There is no such page")


LINKED: Final = "Your identity at {} is linked. You can sign in with it."
CONFIRMED: Final = "You signed in at {}. That counts for ten minutes: fill in the form now."


class Purpose(Enum):
    """The purpose of a sign-in at a provider."""

    SIGN_IN = "sign-in"
    LINK = "link"  # link the identity to the account of a session
    CONFIRM = "confirm"  # show again who the user is, before an action that needs it


@attrs.frozen
class ProviderForm:
    """The form of a provider's button."""

    next: Annotated[str, Meta(max_length=2000)] = ROOT
    invitation: Annotated[str, Meta(max_length=TOKEN_MAX)] = attrs.field(default="", repr=False)


@attrs.frozen
class ProvidedAddress:
    """An address that a provider tells, checked like a typed one."""

    email: Email


@attrs.frozen
class Stop:
    """A page that ends a sign-in: the title, what happened, and what the user can do.

    ``path`` and ``label``: the link that leads on.
    """

    status: int
    title: str
    said: str
    hint: str
    path: str = SIGN_IN
    label: str = "Back to sign-in"


NOT_BEGUN_HERE: Final = Stop(
    400,
    "This sign-in cannot go on",
    "It was begun in another browser, was answered before, or took longer than ten minutes",
    "Begin again, and finish in this browser. If that does not help, allow cookies for this site.",
)
INACTIVE: Final = Stop(
    403,
    "Your account is not active",
    "An admin has deactivated it",
    "Ask the people who run this farm.",
)


@attrs.frozen
class ProviderReply:
    """A provider's answer: the user's identity there, and the sign-in that it belongs to."""

    provider: Provider
    row: ProviderSignInRow
    identity: ProviderIdentity

    @property
    def name(self) -> str:
        return self.provider.settings.label

    @property
    def key(self) -> IdentityKey:
        return IdentityKey(self.provider.settings.issuer, self.identity.subject)


class ProviderSignIn:
    """The handlers of a provider's button and of its redirect URI."""

    def __init__(self, gateway: Gateway, pages: Pages, factor: SecondStep) -> None:
        self._gateway, self._pages, self._factor = gateway, pages, factor

    async def start(self, request: web.Request) -> web.StreamResponse | Problem:
        """Lead the browser to the provider."""
        provider = self._provider(request)
        fields = await own_form(request, self._gateway)
        if isinstance(fields, Problem) or provider is None:
            return fields if isinstance(fields, Problem) else NO_PROVIDER
        given = structure_query(fields, ProviderForm)
        if isinstance(given, list):
            given = ProviderForm()
        row = ProviderSignInRow(
            issuer=provider.settings.issuer,
            purpose=Purpose.SIGN_IN.value,
            redirect_uri="",
            next=own_path(given.next),
            expires_at=self._gateway.ports.clock.now() + LASTS,
            invitation_sha256=digest_of(given.invitation) if given.invitation else None,
        )
        return await self.lead(request, provider, row)

    async def lead(
        self, request: web.Request, provider: Provider, row: ProviderSignInRow
    ) -> web.StreamResponse:
        """Begin a sign-in, in a separate cookie, and return the page that leads to the provider.

        It is a page and no redirect, because the policy of our pages keeps forms from leading to
        other sites.
        """
        gateway, name = self._gateway, provider.settings.label
        base = self._base(request)
        if isinstance(base, Stop):
            return self._stopped(request, base)
        redirect_uri = base + CALLBACK.format(provider=provider.settings.id)
        secrets = SignInSecrets(gateway.ports.random.token(TOKEN_BYTES).hex())
        fresh = row.purpose == Purpose.CONFIRM.value
        try:
            url = await provider.authorization_url(secrets, redirect_uri, fresh=fresh)
        except ProviderUnavailable as away:
            return self._stopped(request, is_away(name, away))
        now = gateway.ports.clock.now()
        row = attrs.evolve(row, redirect_uri=redirect_uri)
        await gateway.tables.provider_sign_ins.insert(digest_of(secrets.token), row, now)
        frame = frame_of(request, self._pages, None, None)
        context = {"frame": frame, "title": f"Going to {name}", "name": name, "url": url}
        answer = html(request, gateway, "provider_start.html", context, 200)
        seconds = int(LASTS.total_seconds())
        answer.set_cookie(value=secrets.token, max_age=seconds, **self._options(request))
        return answer

    async def callback(self, request: web.Request) -> web.StreamResponse | Problem:
        """Take the provider's answer."""
        provider = self._provider(request)
        if provider is None:
            return NO_PROVIDER
        secrets = SignInSecrets(request.cookies.get(self._name(request), ""))
        is_token = secrets.token != "" and secrets.token.isascii()
        if not is_token or not secrets.is_state(one_of(request.query, "state")):
            # the cookie stays: anybody can send the browser here, while it signs in elsewhere
            return self._stopped(request, NOT_BEGUN_HERE)
        reply = await self._reply(request, provider, secrets)
        if isinstance(reply, Stop):
            answer: web.StreamResponse = self._stopped(request, reply)
        else:
            answer = await self._answered(request, reply)
        answer.del_cookie(**self._options(request))
        return answer

    async def _reply(
        self, request: web.Request, provider: Provider, secrets: SignInSecrets
    ) -> ProviderReply | Stop:
        """Return the provider's reply, after all checks of where it comes from."""
        asked, name = request.query, provider.settings.label
        now = self._gateway.ports.clock.now()
        row = await self._gateway.tables.provider_sign_ins.take(digest_of(secrets.token), now)
        if row is None:
            return NOT_BEGUN_HERE
        if row.issuer != provider.settings.issuer:
            log.warning("the answer of another provider", provider=provider.settings.id)
            return NOT_BEGUN_HERE
        if "error" in asked:
            return refused_by(name, one_of(asked, "error"))
        try:
            metadata = await provider.metadata()
            issuer = asked.getall("iss", [])
            if (issuer or metadata.sends_issuer) and issuer != [row.issuer]:
                log.warning("an answer names another issuer", provider=provider.settings.id)
                return NOT_BEGUN_HERE
            code = one_of(asked, "code")
            identity = await provider.identity(code, row.redirect_uri, secrets)
        except ProviderUnavailable as away:
            return is_away(name, away)
        except (CodeRefused, TokenRefused) as refused:
            log.warning("a sign-in was refused", provider=provider.settings.id, why=str(refused))
            return not_accepted(name)
        return ProviderReply(provider, row, identity)

    async def _answered(self, request: web.Request, reply: ProviderReply) -> web.StreamResponse:
        if reply.row.purpose != Purpose.SIGN_IN.value:
            return await self._in_session(request, reply)
        user = await self._gateway.tables.identities.use(
            reply.key, reply.identity.email[:EMAIL_MAX], self._gateway.ports.clock.now()
        )
        if user is None:
            made = await self._opened(reply)
            if isinstance(made, Stop):
                return self._stopped(request, made)
            there = reply.row.next if reply.row.next != ROOT else FIRST
            return await self._enter(request, reply, made, Redirect(there, self._welcome()))
        return await self._enter(request, reply, user, Redirect(reply.row.next))

    async def _in_session(self, request: web.Request, reply: ProviderReply) -> web.StreamResponse:
        """Link an identity to the account of the session that began this, or note the sign-in."""
        gateway, row = self._gateway, reply.row
        visitor = await visitor_of(gateway, request)
        if not isinstance(visitor, SignedInVisitor) or row.user_id is None:
            return self._stopped(request, NOT_BEGUN_HERE)
        if (visitor.claims.family, visitor.claims.subject) != (row.session, row.user_id):
            return self._stopped(request, NOT_BEGUN_HERE)
        session = visitor.claims.family
        if row.purpose == Purpose.LINK.value:
            stop, said = await self._linked(reply, row.user_id, session), LINKED
        else:
            stop, said = await self._confirmed(reply, row.user_id, session), CONFIRMED
        if stop is not None:
            return self._stopped(request, stop)
        return gone_to(request, gateway, Redirect(row.next, said.format(reply.name)))

    async def _linked(self, reply: ProviderReply, user: UUID, session: UUID) -> Stop | None:
        gateway = self._gateway
        new = NewIdentity(
            reply.key,
            gateway.ports.random.uuid(),
            reply.identity.email[:EMAIL_MAX],
            gateway.ports.clock.now(),
        )
        if await gateway.tables.identities.link(new, user, session):
            log.info("identity linked", user=str(user), provider=reply.provider.settings.id)
            return None
        return (
            None
            if await gateway.tables.identities.owner(reply.key) == user
            else of_another(reply.name)
        )

    async def _confirmed(self, reply: ProviderReply, user: UUID, session: UUID) -> Stop | None:
        gateway = self._gateway
        if await gateway.tables.identities.owner(reply.key) != user:
            return of_another(reply.name)
        now = gateway.ports.clock.now()
        if reply.identity.signed_in_at is None:
            return without_time(reply.name)
        if not reply.identity.is_fresh(now.timestamp()):
            return not_fresh(reply.name)
        done = await gateway.tables.sessions.identity_given(session, user, now)
        return None if done else NOT_BEGUN_HERE

    async def _enter(
        self, request: web.Request, reply: ProviderReply, user: IdentityUser, to: Redirect
    ) -> web.StreamResponse:
        """Start the session, or lead to the second factor."""
        gateway, settings = self._gateway, reply.provider.settings
        if not user.is_active:
            return self._stopped(request, INACTIVE)
        now = gateway.ports.clock.now()
        checked = user.checked(is_fresh=reply.identity.is_fresh(now.timestamp()))
        role = role_of_groups(settings, reply.identity.groups, checked.role)
        if role != checked.role:
            checked = attrs.evolve(checked, provider=settings.id, given_role=role)
        step = await self._factor.needed(checked)
        if step is Step.GIVE and settings.own_factor:
            step, checked = None, attrs.evolve(checked, factor_excused=True)
        if step is None and checked.given_role:
            checked = await with_given_role(gateway, checked)
            # the user needs a factor if the role of the last admin was kept
            step = None if checked.factor_excused else await self._factor.needed(checked)
        if step is not None:
            return await self._factor.begin(request, checked, step, to.to)
        token, family = new_session(gateway, request, checked.user, UserRole(checked.role))
        if not await gateway.tables.sessions.open(checked, family, now):
            return again(to.to)
        await grant_starter(gateway, checked.user)
        return begun(gateway, request, gone_to(request, gateway, to), token)

    def _welcome(self) -> str:
        starter = self._gateway.starter
        gift = f" You have {money.credit_count(starter)} to begin with." if starter else ""
        return f"Your account is open, and you are signed in.{gift}"

    async def _opened(self, reply: ProviderReply) -> IdentityUser | Stop:
        """Open an account for an identity that has none; of two at once, both get the same."""
        gateway, now = self._gateway, self._gateway.ports.clock.now()
        stopped = await self._unopened(reply)
        if stopped is not None:
            return stopped
        user, told = gateway.ports.random.uuid(), reply.identity
        unknown = await gateway.identity.passwords.hash(
            gateway.ports.random.token(PASSWORD_BYTES).hex()
        )
        verification = None if told.email_verified else mail_id(gateway)
        new = NewUser(user, told.email, name_of(told), unknown, verification=verification)
        identity = NewIdentity(reply.key, gateway.ports.random.uuid(), told.email, now)
        invitation = reply.row.invitation_sha256 if self._mode == "invite" else None
        try:
            made = await gateway.tables.identities.open_account(
                identity, new, invitation, verified=told.email_verified
            )
        except (NotInvited, IdentityTaken):
            made = False
        found = await gateway.tables.identities.use(reply.key, told.email, now)
        if found is None:
            return self._taken(reply)
        if made:
            log.info("account opened", user=str(user), provider=reply.provider.settings.id)
        return found

    async def _unopened(self, reply: ProviderReply) -> Stop | None:
        """Return why no account may be opened for the identity; None if one may."""
        gateway, invitation = self._gateway, reply.row.invitation_sha256
        if self._mode == "closed" or (self._mode == "invite" and invitation is None):
            return self._unknown(reply)
        if not reply.identity.email:
            return no_address(reply.name)
        address = MultiDict({"email": reply.identity.email})
        if isinstance(structure_query(address, ProvidedAddress), list):
            return no_address(reply.name)
        if not await is_open(gateway.registry):
            return closed_now(CLOSING)
        if (halt := await gateway.halts.now()) is not None:
            return closed_now(unavailable(sentence(halt.text)))
        now = gateway.ports.clock.now()
        if self._mode == "invite" and not await gateway.tables.invitations.is_open(
            invitation or b"", reply.identity.email, now
        ):
            return self._unknown(reply)
        return None

    @property
    def _mode(self) -> str:
        return self._gateway.settings.accounts.registration

    def _unknown(self, reply: ProviderReply) -> Stop:
        """Return the page for an identity without an account, where not anybody can sign up.

        It is the same whether the address has an account or not.
        """
        how = "are opened by invitation: open the link of your invitation, and choose the provider"
        if self._mode == "closed":
            how = "cannot be opened here: ask the people who run this farm"
        return Stop(
            403,
            "No account yet",
            f"No account here is linked to your identity at {reply.name}",
            "If you have an account, sign in with your password, and link the identity on the page "
            f"Your account. New accounts {how}.",
        )

    def _taken(self, reply: ProviderReply) -> Stop:
        if self._mode != "open":
            return self._unknown(reply)
        return Stop(
            409,
            "Link your account first",
            f"{reply.identity.email} has an account here, which is not linked to your identity at "
            f"{reply.name}",
            "Sign in with your password, and link the identity on the page Your account. If you do "
            "not know the password, choose “Forgot your password?”.",
        )

    def _provider(self, request: web.Request) -> Provider | None:
        return self._gateway.providers.get(request.match_info["provider"])

    def _base(self, request: web.Request) -> str | Stop:
        """Return the address of the gateway in redirect URIs: providers know one of them."""
        gateway = self._gateway
        public = gateway.settings.server.public_url.rstrip("/")
        if public:
            is_here = urlsplit(public).netloc.lower() == request.headers.get("Host", "").lower()
            return public if is_here else elsewhere(public)
        return reached_at(request, gateway.settings) or gateway.url().rstrip("/")

    def _stopped(self, request: web.Request, stop: Stop) -> web.Response:
        frame = frame_of(request, self._pages, None, None)
        context = {"frame": frame, "title": stop.title, "stop": stop}
        return html(request, self._gateway, "provider_stop.html", context, stop.status)

    def _name(self, request: web.Request) -> str:
        return HOST_PREFIX + COOKIE if is_secure(request, self._gateway) else COOKIE

    def _options(self, request: web.Request) -> Any:
        """Return the options of the cookie. Lax: it comes back with the provider's redirect."""
        return {
            "name": self._name(request),
            "path": "/",
            "httponly": True,
            "secure": is_secure(request, self._gateway),
            "samesite": "Lax",
        }


def one_of(asked: MultiMapping[str], name: str) -> str:
    """Return a parameter of the provider's answer; '' if it is missing, repeated or too long."""
    values = asked.getall(name, [])
    return values[0] if len(values) == 1 and len(values[0]) <= PARAMETER_MAX else ""


def name_of(told: ProviderIdentity) -> str:
    """Return the name of a new user: as the provider tells it, or from their address."""
    name = "".join(c for c in mended(told.name) if c.isprintable()).strip()[:NAME_MAX]
    return name or told.email.partition("@")[0][:NAME_MAX]


def is_away(name: str, away: ProviderUnavailable) -> Stop:
    """Return the page for a provider that does not answer."""
    log.warning("a provider does not answer", provider=name, why=str(away))
    return Stop(
        503,
        f"{name} does not answer",
        f"{name} cannot be reached now, or does not answer as it should",
        "Try again in a minute, or sign in with your password.",
    )


def refused_by(name: str, error: str) -> Stop:
    """Return the page for a provider that sends the user back without a sign-in."""
    log.info("a provider refused a sign-in", provider=name, error=ascii(error[:100]))
    return Stop(
        403,
        "You are not signed in",
        f"{name} did not confirm who you are, or you cancelled",
        "Try again, or sign in with your password.",
    )


def not_accepted(name: str) -> Stop:
    """Return the page for an answer that fails a check."""
    return Stop(
        403,
        "You are not signed in",
        f"The answer of {name} was not accepted",
        "Try again. If it happens again, tell the people who run this farm: the gateway's log has "
        "the reason.",
    )


def no_address(name: str) -> Stop:
    """Return the page for a new user whose provider tells no usable address."""
    return Stop(
        403,
        "Your e-mail address is missing",
        f"{name} did not tell your e-mail address, which an account needs",
        f"Allow {name} to tell it, or sign up with a password and link the identity on the page "
        "Your account.",
        path=SIGN_UP,
        label="Sign up",
    )


def of_another(name: str) -> Stop:
    """Return the page for an identity that another account has."""
    return Stop(
        409,
        "This is another identity",
        f"The identity with which you signed in at {name} does not belong to your account here",
        "Sign out there, and try again with your own. If it is yours, it is linked to another "
        "account: sign in with it, and unlink it there.",
        path=f"{ROOT}/account",
        label="Back to your account",
    )


def not_fresh(name: str) -> Stop:
    """Return the page for a provider that did not ask who the user is."""
    return Stop(
        403,
        "Sign in there again",
        f"{name} says that you signed in there more than ten minutes ago",
        "Sign out there, and try again.",
        path=f"{ROOT}/account",
        label="Back to your account",
    )


def without_time(name: str) -> Stop:
    """Return the page for a provider that does not tell when the user signed in."""
    return Stop(
        403,
        "This provider confirms nothing",
        f"{name} does not say when you signed in there",
        "Set a password: sign out here, and choose “Forgot your password?” on the sign-in page.",
        path=f"{ROOT}/account",
        label="Back to your account",
    )


def closed_now(problem: Problem) -> Stop:
    """Return the page for a gateway that opens no accounts at the moment."""
    return Stop(503, "Try again later", problem.detail, "Try again in a minute.")


def elsewhere(public: str) -> Stop:
    """Return the page for a browser that reached the gateway by another address than its public
    one, to which providers do not send users back.
    """
    return Stop(
        409,
        "Open the console by its address",
        f"Providers send users back to {public}, and you use another address",
        "Open the console there, and sign in.",
        path=f"{public}{SIGN_IN}",
        label="Go there",
    )
