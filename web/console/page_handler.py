"""The steps that all pages, actions and streams share, from the request to the response."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final, TypeAlias

import attrs
from aiohttp import hdrs, web
from multidict import MultiDict, MultiMapping
from yarl import URL

from actors.console_hub.messages import ANYTHING, Hub, TopicChanged
from rendertrust.api.refusal_code import RefusalCode
from sql.users import UserRow
from web.console import factor_page
from web.console.factor_page import RefusedForm
from web.console.forms import (
    STATUSES,
    FormErrors,
    form_of,
    ids_beginning,
    ids_of,
    params_of,
    query_of,
    readable,
    refusal_of,
)
from web.console.page_responses import (
    PageChrome,
    frame_of,
    gone_to,
    html,
    redirect,
    refused,
    sign_in_first,
    way_back,
)
from web.console.registry import ROOT, ConsolePage, PageAction, PageCall, Pages
from web.console.session import (
    FOREIGN,
    SignedInVisitor,
    is_own,
    is_secure,
    keep,
    passkey_holder,
    visitor_of,
)
from web.console.view import OVERSEERS, ExternalRedirect, Picture, Redirect, Shown, View
from web.gateway import Gateway
from web.http.caller import CALLER
from web.http.converter import structure_query
from web.http.endpoint import Endpoint
from web.http.operations import NOT_AUTHENTICATED, Audience
from web.http.problem import Problem, invalid, unavailable
from web.http.public_host import reached_at
from web.http.rate_limits import Rate, admit
from web.http.responses import REQUEST_ID, refusal
from web.identity.tokens import CONSOLE_HOURS
from web.middleware.problem_responses import http_problem, problem_of
from web.routes.thumbnails import HARMLESS

PAGE_SECONDS = 1.85
ACTION_SECONDS = 4.0
NOT_YOURS: Final = Problem(403, "You do not have access to this page")
FIELDS: Final = web.RequestKey("fields", MultiDict[str])  # the request's form, as sent
LATE: Final = unavailable("The gateway did not finish in time; try again")


class PathHandler(ABC):
    """A handler of one path, with a rate limit and an audience; its errors become pages."""

    def __init__(self, gateway: Gateway, pages: Pages, rate: Rate, audience: Audience) -> None:
        self.rate: Final = rate
        self.audience: Final = audience
        self.gateway: Final = gateway
        self.pages: Final = pages

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer every request, even after an exception."""
        try:
            return await self._served(request)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return self._refused(request, http_problem(error), None)
        except ConnectionError:
            raise  # the client has gone
        except Exception as error:
            return self._refused(request, problem_of(request, error), None)

    @abstractmethod
    async def _served(self, request: web.Request) -> web.StreamResponse: ...

    def _refused(
        self,
        request: web.Request,
        problem: Problem,
        visitor: SignedInVisitor | None,
        user: UserRow | None = None,
    ) -> web.StreamResponse:
        frame = frame_of(request, self.pages, visitor, user)
        back = way_back(request, self.pages, visitor)
        return refused(request, self.gateway, problem, frame, back)


class ConsoleHandler(PathHandler):
    """A handler for users who have signed in."""

    async def _served(self, request: web.Request) -> web.StreamResponse:
        visitor = await visitor_of(self.gateway, request)
        if isinstance(visitor, Problem):
            return self._refused(request, visitor, None)
        subject = request[CALLER].subject if visitor is None else visitor.claims.subject
        over = await admit(self.gateway.rates, request, self.rate, subject)
        if over is not None:
            return self._refused(request, over, None)
        if visitor is None:
            return self._stranger(request)
        answer = await self._answer(request, visitor)
        if visitor.renewed is not None and not answer.prepared:
            secure = is_secure(request, self.gateway)
            keep(answer, visitor.renewed, secure=secure, seconds=CONSOLE_HOURS * 3600)
        return answer

    def _stranger(self, request: web.Request) -> web.StreamResponse:
        return sign_in_first(request, self.pages)

    @abstractmethod
    async def _answer(
        self, request: web.Request, visitor: SignedInVisitor
    ) -> web.StreamResponse: ...

    async def _refused_on(
        self,
        request: web.Request,
        problem: Problem,
        visitor: SignedInVisitor,
        form_on: str,
        values: Mapping[str, str],
    ) -> web.StreamResponse:
        """Return the form's page with its errors, or an error page if there is no form.

        The page is not live, as pushed updates would not contain the form's state.
        """
        if form_on and problem.status in STATUSES:
            there, refusal = self._form_at(request, form_on), refusal_of(problem, values)
            status = problem.status
            shown = await self._form_page(request, visitor, there, refusal, status=status)
            if shown is not None:
                return shown
        return self._refused(request, problem, visitor, await self._user(visitor))

    def _form_at(self, request: web.Request, form_on: str) -> URL:
        """Return the address of a form's page, which has the query of the form's own address."""
        there = URL(f"{ROOT}{form_on.format_map(request.match_info)}")
        return there.update_query(request.query) if request.method == hdrs.METH_POST else there

    async def _form_page(
        self,
        request: web.Request,
        visitor: SignedInVisitor,
        there: URL,
        refusal: FormErrors,
        *,
        status: int = 200,
        said: str = "",
    ) -> web.StreamResponse | None:
        """Return a page with its form filled in; None if the page cannot be shown."""
        found = self.pages.at(there.path)
        if found is None:
            return None
        page, words = found
        view = self._view(request, visitor, page, words, there.query)
        shown = view if isinstance(view, Problem) else await self._read(page, view)
        if isinstance(view, Problem) or not isinstance(shown, dict):
            return None
        frame = frame_of(request, self.pages, visitor, await self._user(visitor))
        context = {
            "title": page.title,
            **shown,
            "view": view,
            "refusal": refusal,
            "frame": attrs.evolve(frame, said=said) if said else frame,
        }
        return html(request, self.gateway, page.template, context, status)

    async def _read(
        self, page: ConsolePage, view: View[Any]
    ) -> Shown | Problem | Redirect | ExternalRedirect | Picture:
        try:
            async with asyncio.timeout(PAGE_SECONDS):
                return await page.read(view)
        except TimeoutError:
            return LATE

    async def _user(self, visitor: SignedInVisitor) -> UserRow | None:
        return await self.gateway.tables.users.by_id(visitor.claims.subject)

    def _view(
        self,
        request: web.Request,
        visitor: SignedInVisitor,
        page: ConsolePage,
        words: Mapping[str, str],
        asked: MultiMapping[str],
    ) -> View[Any] | Problem:
        """Return the view of a page, or a Problem if it must not or cannot be shown.

        ``words``: the path's parameters; ``asked``: the query.
        """
        if visitor.who.role not in page.who:
            return NOT_YOURS
        ids = ids_of(words, page.absent)
        if isinstance(ids, Problem):
            return ids
        asked = readable(asked)
        query = query_of(asked, page.query)
        if isinstance(query, Problem):
            return query
        path = page.path.format_map({name: str(id_) for name, id_ in ids.items()})
        return View(
            gateway=self.gateway,
            who=visitor.who,
            path=path,
            params=params_of(asked, page.query),
            ids=ids,
            query=query,
            session=visitor.claims.family,
            base=reached_at(request, self.gateway.settings),
            passkeys=passkey_holder(request, self.gateway, visitor),
        )


class PageHandler(ConsoleHandler):
    def __init__(self, gateway: Gateway, pages: Pages, page: ConsolePage) -> None:
        super().__init__(gateway, pages, page.rate, page.audience)
        self.page: Final = page

    async def _answer(self, request: web.Request, visitor: SignedInVisitor) -> web.StreamResponse:
        whole = await self._whole_address(request, visitor)
        if isinstance(whole, Problem):
            return self._refused(request, whole, visitor, await self._user(visitor))
        if whole is not None:
            return redirect(whole)
        view = self._view(request, visitor, self.page, request.match_info, request.query)
        shown = view if isinstance(view, Problem) else await self._read(self.page, view)
        if isinstance(shown, Problem):
            if shown.code is RefusalCode.RECENT_FACTOR_NEEDED:
                sent = RefusedForm(request.path_qs, MultiDict[str]())
                return await factor_page.asked(request, self.gateway, self.pages, visitor, sent)
            on, typed = self.page.form_on, readable(request.query)
            return await self._refused_on(request, shown, visitor, on, typed)
        assert not isinstance(view, Problem)
        if isinstance(shown, Redirect):
            return gone_to(request, self.gateway, shown)
        if isinstance(shown, ExternalRedirect):
            return web.Response(status=303, headers={"Location": shown.url})
        if isinstance(shown, Picture):
            return web.Response(body=shown.body, content_type=shown.media, headers=HARMLESS)
        user = await self._user(visitor)
        context = {
            "title": self.page.title,
            **shown,
            "view": view,
            "frame": self._frame(request, visitor, user, view),
        }
        return html(request, self.gateway, self.page.template, context, 200)

    async def _whole_address(
        self, request: web.Request, visitor: SignedInVisitor
    ) -> str | Problem | None:
        """Return where an address with the beginning of an id leads: to the page, or to the list
        that is filtered by the beginning if several ids begin so; None: nowhere else.

        If the list has no filter, a Problem names the ids.
        """
        text = next(iter(request.match_info.values()), "")
        may = bool(self.page.beginning) and visitor.who.role in self.page.who
        span = ids_beginning(text) if may else None
        if span is None:
            return None
        owner = None if visitor.who.role in OVERSEERS else visitor.who.user
        found = await self.gateway.database.all(self.page.beginning, *span, owner)
        folder, _, rest = self.page.path.partition("/{")
        below, query = rest.partition("}")[2], request.query_string
        if len(found) == 1:
            return f"{folder}/{found[0]['id']}{below}" + (f"?{query}" if query else "")
        if not found:
            return None
        above = self.pages.at(folder)
        if above is not None and above[0].filters:
            return f"{folder}?q={text}"
        ids = ", ".join(str(row["id"]) for row in found)
        return Problem(404, f"Several ids begin with {text}: {ids}")

    def _frame(
        self, request: web.Request, visitor: SignedInVisitor, user: UserRow | None, view: View[Any]
    ) -> PageChrome:
        live = f"{view.url}#{view.who.user}" if self.page.live else ""
        return frame_of(request, self.pages, visitor, user, live)


class ActionHandler(ConsoleHandler):
    """Handler of a form, which one of our pages posted for a user who may make changes."""

    def __init__(self, gateway: Gateway, pages: Pages, action: PageAction) -> None:
        super().__init__(gateway, pages, action.rate, action.audience)
        self.action: Final = action

    async def _answer(self, request: web.Request, visitor: SignedInVisitor) -> web.StreamResponse:
        done = await self._done(request, visitor)
        if isinstance(done, Problem):
            on, typed = self.action.form_on, request.get(FIELDS, MultiDict[str]())
            if done.code is RefusalCode.RECENT_FACTOR_NEEDED:
                sent = RefusedForm(str(self._form_at(request, on)), typed)
                return await factor_page.asked(request, self.gateway, self.pages, visitor, sent)
            return await self._refused_on(request, done, visitor, on, typed)
        return await self._finished(request, visitor, done)

    async def _finished(
        self, request: web.Request, visitor: SignedInVisitor, done: Redirect
    ) -> web.StreamResponse:
        """Return the answer to a form that was accepted."""
        self._tell()
        return gone_to(request, self.gateway, done)

    def _tell(self) -> None:
        """Notify the hub, so that open pages show the change at once."""
        with suppress(LookupError):
            self.gateway.registry.ref(Hub).tell(TopicChanged(ANYTHING))

    async def _done(self, request: web.Request, visitor: SignedInVisitor) -> Redirect | Problem:
        if not is_own(request, self.gateway):
            return FOREIGN
        if visitor.who.role not in self.action.who:
            return NOT_YOURS
        ids = ids_of(request.match_info, self.action.absent)
        if isinstance(ids, Problem):
            return ids
        fields = await form_of(request, self.gateway.settings.server.body_seconds)
        if isinstance(fields, Problem):
            return fields
        request[FIELDS] = fields
        form = None
        if self.action.form is not None:
            form = structure_query(fields, self.action.form)
            if isinstance(form, list):
                return invalid(form)
        view = View(
            gateway=self.gateway,
            who=visitor.who,
            path=request.path,
            ids=ids,
            query=form,
            fields=fields,
            request_id=request[REQUEST_ID],
            session=visitor.claims.family,
            base=reached_at(request, self.gateway.settings),
            passkeys=passkey_holder(request, self.gateway, visitor),
        )
        try:
            async with asyncio.timeout(self.action.within or ACTION_SECONDS):
                return await self.action.act(view)
        except TimeoutError:
            return LATE


class FactorHandler(ConsoleHandler):
    """Handler of the page that asks for the second factor again."""

    def __init__(self, gateway: Gateway, pages: Pages) -> None:
        super().__init__(gateway, pages, "login", Audience.USER)

    async def _answer(self, request: web.Request, visitor: SignedInVisitor) -> web.StreamResponse:
        gateway = self.gateway
        fields = await factor_page.form_sent(request, gateway)
        if isinstance(fields, Problem):
            return self._refused(request, fields, visitor, await self._user(visitor))
        sent = RefusedForm.of(fields)
        refused = await factor_page.refusal_of_factor(request, gateway, visitor, fields)
        if refused:
            return await factor_page.asked(
                request, gateway, self.pages, visitor, sent, refused=refused
            )
        shown = None
        if sent.fields:
            there, said = URL(sent.back), factor_page.SAID
            shown = await self._form_page(request, visitor, there, sent.values, said=said)
        return factor_page.returned(request, gateway, sent) if shown is None else shown


REFUSED: Final = "Refused"  # header with the refusal's status in the API


class CallHandler(ConsoleHandler):
    """An operation of the API for the scripts of our pages; it answers as the API does.

    A change that the operation refuses is answered with 200, because browsers log every error
    status to their console.
    """

    def __init__(self, gateway: Gateway, pages: Pages, call: PageCall) -> None:
        super().__init__(gateway, pages, call.operation.rate, call.audience)
        self.call: Final = call
        self._endpoint = Endpoint(call.operation, gateway)

    def _stranger(self, request: web.Request) -> web.StreamResponse:
        return refusal(request, NOT_AUTHENTICATED)

    async def _answer(self, request: web.Request, visitor: SignedInVisitor) -> web.StreamResponse:
        changes = request.method not in ("GET", "HEAD")
        if changes and not is_own(request, self.gateway):
            return refusal(request, FOREIGN)
        if visitor.who.role not in self.call.who:
            return refusal(request, NOT_YOURS)
        answer = await self._endpoint.serve_as(request, visitor.claims)
        if changes and 400 <= answer.status < 500 and not answer.prepared:
            answer.headers[REFUSED] = str(answer.status)
            answer.set_status(200)
        return answer

    def _refused(
        self,
        request: web.Request,
        problem: Problem,
        visitor: SignedInVisitor | None,
        user: UserRow | None = None,
    ) -> web.StreamResponse:
        return refusal(request, problem)


class PublicHandler(PathHandler):
    """Handler for callers without a session; ``make`` gets the bare request.

    ``limited`` answers instead of ``make`` if the caller is over the rate limit, to show a form
    again; without it, an error page does.
    """

    def __init__(
        self,
        gateway: Gateway,
        pages: Pages,
        rate: Rate,
        make: "Public",
        limited: "Limited | None" = None,
    ) -> None:
        super().__init__(gateway, pages, rate, Audience.PUBLIC)
        self._make, self._limited = make, limited

    async def _served(self, request: web.Request) -> web.StreamResponse:
        over = await admit(self.gateway.rates, request, self.rate, request[CALLER].subject)
        if over is None:
            made = await self._make(request)
        else:
            made = over if self._limited is None else await self._limited(request, over)
        return self._refused(request, made, None) if isinstance(made, Problem) else made


Public: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse | Problem]]
Limited: TypeAlias = Callable[[web.Request, Problem], Awaitable[web.StreamResponse | Problem]]
