"""Registry of the console's pages. Each page's audience is declared beside its reader."""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias, get_type_hints

import attrs

from web.console.view import (
    ADMINS,
    EVERYBODY,
    OVERSEERS,
    ExternalRedirect,
    Picture,
    Redirect,
    Shown,
    View,
)
from web.http.operations import (
    NOT_FOUND,
    Audience,
    Handler,
    Operation,
    Operations,
    type_arguments,
)
from web.http.problem import Problem
from web.http.rate_limits import Rate
from web.identity.roles import UserRole

Reader: TypeAlias = Callable[
    [View[Any]], Awaitable[Shown | Problem | Redirect | ExternalRedirect | Picture]
]
Actor: TypeAlias = Callable[[View[Any]], Awaitable[Problem | Redirect]]
ROOT: Final = "/console"
NO_PAGE: Final = Problem(404, "There is no such page")
ID: Final = re.compile(r"\{(\w+)\}")  # a placeholder for a UUID


# The groups of the menu, in order; entries without a group come first.
RENDERING: Final = "Rendering"
FLEET: Final = "Fleet"
MONEY: Final = "Money"
SYSTEM: Final = "System"
GROUPS: Final = ("", RENDERING, FLEET, MONEY, SYSTEM)


@attrs.frozen
class Nav:
    """A menu item. Pressing ``g`` and then ``key`` opens it; ``order`` is its position in its
    group.

    ``of_nodes``: only for users who have or have had a node, and for admins and auditors.
    ``of_own_nodes``: only for users who have or have had a node.
    ``of_money``: only where earnings are paid out as money.
    """

    label: str
    key: str
    order: int
    icon: str
    group: str = ""
    of_nodes: bool = attrs.field(default=False, kw_only=True)
    of_own_nodes: bool = attrs.field(default=False, kw_only=True)
    of_money: bool = attrs.field(default=False, kw_only=True)

    def is_for(self, role: UserRole, *, has_nodes: bool, has_payments: bool) -> bool:
        """Return True if the entry is useful for the user."""
        if self.of_money and not has_payments:
            return False
        is_of_others = not self.of_own_nodes and (not self.of_nodes or role in OVERSEERS)
        return has_nodes or is_of_others


@attrs.frozen
class ConsolePage:
    """A page: what ``read`` returns, shown by ``template``.

    ``live`` are blocks of the template, each inside an element whose id is the block's name. The
    blocks are rendered again when one of the ``topics`` changes, at least every ``every`` seconds,
    and at most every ``rest`` seconds; viewers get the changed blocks. The blocks may depend only
    on the reader's result and the view's ``owner`` and role, because one rendering is for all
    viewers. ``own``: every user, even an admin, sees their own data, so the page is rendered for
    each user. ``inside``: the page shows this process, and works without the database. ``form_on``:
    the page with the form that leads to this page; it also shows the form's errors. ``beginning``:
    the query that finds ids by their beginning, which may stand for the id in the address.
    """

    path: str
    title: str
    template: str
    read: Reader
    who: frozenset[UserRole] = EVERYBODY
    query: Any = None  # an attrs class
    nav: Nav | None = None
    live: tuple[str, ...] = ()
    topics: frozenset[str] = attrs.field(default=frozenset(), converter=frozenset)
    every: float = 5.0
    rest: float = 0.25
    inside: bool = False
    own: bool = False
    rate: Rate = "read"
    absent: Problem = attrs.field(default=NO_PAGE, hash=False)
    form_on: str = ""
    beginning: str = ""

    @property
    def filters(self) -> bool:
        """Return True if the page has a filter ``q``."""
        return self.query is not None and any(f.name == "q" for f in attrs.fields(self.query))

    @property
    def audience(self) -> Audience:
        """Return the audience in the terms of operations."""
        return Audience.ADMIN if self.who <= OVERSEERS else Audience.USER


@attrs.frozen
class PageAction:
    """A change: a posted form, then a redirect to a page. Auditors can use only actions on their
    own account.

    ``form_on``: the page of the form, which is shown again if the form is refused.
    """

    path: str
    act: Actor
    who: frozenset[UserRole] = EVERYBODY
    form: Any = None  # an attrs class
    rate: Rate = "write"
    within: float | None = None  # deadline in seconds; None: the usual one
    absent: Problem = NOT_FOUND
    form_on: str = ""
    on_own_account: bool = False

    @property
    def audience(self) -> Audience:
        return Audience.ADMIN if self.who <= ADMINS else Audience.USER


@attrs.frozen
class PageCall:
    """An operation of the API for the scripts of our pages, because these scripts have only the
    console's cookie.
    """

    path: str
    operation: Operation
    who: frozenset[UserRole] = EVERYBODY

    @property
    def audience(self) -> Audience:
        return self.operation.audience


def form_of(reader: Reader | Actor) -> Any:
    """Return the class of a page's query or an action's form: the argument of its ``View``, or
    None if ``View`` has no argument.
    """
    view = next(iter(get_type_hints(reader, include_extras=True).values()), None)
    return type_arguments(view, View)[0]


class Pages:
    """Pages, actions and calls of one module, or of several."""

    def __init__(self, parts: Iterable["Pages"] = ()) -> None:
        found = list(parts)
        self.pages: list[ConsolePage] = [page for part in found for page in part]
        self.actions: list[PageAction] = [action for part in found for action in part.actions]
        self.calls: list[PageCall] = [call for part in found for call in part.calls]

    def __iter__(self) -> Iterator[ConsolePage]:
        return iter(self.pages)

    def page(
        self, path: str, title: str, template: str, **declared: Any
    ) -> Callable[[Reader], Reader]:
        """Declare a page below ``/console``."""

        def note(read: Reader) -> Reader:
            members = {"query": form_of(read), **declared}
            self.pages.append(ConsolePage(ROOT + path, title, template, read, **members))
            return read

        return note

    def action(self, path: str, **declared: Any) -> Callable[[Actor], Actor]:
        """Declare an action to which a form is posted."""

        def note(act: Actor) -> Actor:
            action = PageAction(ROOT + path, act, **{"form": form_of(act), **declared})
            barred = frozenset() if action.on_own_account else frozenset({UserRole.AUDITOR})
            self.actions.append(attrs.evolve(action, who=action.who - barred))
            return act

        return note

    def call(self, path: str, operations: Operations, handler: Handler, **declared: Any) -> None:
        """Declare an operation, given by its handler, that a page's scripts may call."""
        operation = next(each for each in operations if each.handler is handler)
        call = PageCall(ROOT + path, operation, **declared)
        changes = operation.method != "GET"
        self.calls.append(
            attrs.evolve(call, who=call.who - {UserRole.AUDITOR}) if changes else call
        )

    def at(self, path: str) -> tuple[ConsolePage, Mapping[str, str]] | None:
        """Return the page at a path, and the ids in the path."""
        for page in self.pages:
            found = re.fullmatch(ID.sub(r"(?P<\1>[0-9a-fA-F-]{36})", page.path), path)
            if found is not None:
                return page, found.groupdict()
        return None

    def menu(
        self, role: UserRole, *, has_nodes: bool, has_payments: bool
    ) -> list[tuple[str, list[ConsolePage]]]:
        """Return the groups of the menu that have entries for the user, with the entries."""
        groups: dict[str, list[tuple[int, ConsolePage]]] = {name: [] for name in GROUPS}
        for page in self.pages:
            nav = page.nav
            if nav is None or role not in page.who:
                continue
            if nav.is_for(role, has_nodes=has_nodes, has_payments=has_payments):
                groups[nav.group].append((nav.order, page))
        return [
            (name, [page for _, page in sorted(entries, key=lambda entry: entry[0])])
            for name, entries in groups.items()
            if entries
        ]
