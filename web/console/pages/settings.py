"""Settings page: values with sources, keys, prices, limits, webhooks, and the audit log."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import attrs
import orjson
from msgspec import Meta

from config.data_folder import FILE, data_folder
from config.settings import Settings
from config.sources import DEFAULT, IN_FILE, Value, values_of
from rendertrust import money
from sql.log import read_keys
from sql.prices import EVERY_OTHER
from sql.settings_views import SettingsViews
from web.console.registry import SYSTEM, Nav, Pages
from web.console.tables import SORTED_MOST, Column, Table, order_by, page_of, table
from web.console.view import ACCOUNT_GONE, ADMINS, OVERSEERS, Redirect, Shown, View
from web.http.problem import Fault, Problem, invalid
from web.http.rate_limits import PER_CALLER, RATES
from web.identity.acting_user import ActingUser
from web.routes import webhooks
from web.routes.admin import Reason
from web.routes.prices import ALWAYS, NOTHING_THERE, PricedType, target_of

pages = Pages()
PATH: Final = "/console/settings"
ROWS: Final = 50
TABS: Final = (
    ("Values", "values"),
    ("Keys", "keys"),
    ("Prices", "prices"),
    ("Limits", "limits"),
    ("Webhooks", "webhooks"),
    ("Audit log", "audit"),
)
VALUES: Final = (
    Column("Name", "name"),
    Column("Value", "text"),
    Column("Source", "source"),
    Column("Meaning", "meaning"),
)
KEYS: Final = (
    Column("Key", "name"),
    Column("Owner", "email"),
    Column("Scopes"),
    Column("Created", "created_at", "time"),
    Column("Expires", "expires_at", "time"),
    Column("Last used", "used_at", "time"),
)
PRICES: Final = (
    Column("Type", "job_type"),
    Column("Price", "units", "number"),
    Column("Since", "since", "time"),
)
CHANGES: Final = (
    Column("Type", "job_type"),
    Column("Price", "units", "number"),
    Column("By", "changed_by"),
    Column("Why", "reason"),
    Column("When", "since", "time"),
)
BOUNDS: Final = (
    Column("Setting", "name"),
    Column("Limit", "number", "number"),
    Column("Counted", "of"),
    Column("Meaning"),
    Column("Source", "source"),
)
EVENTS: Final = (
    Column("Event", "type"),
    Column("About", "object"),
    Column("Outcome", "outcome"),
    Column("When", "received_at", "time"),
)
HOOKS: Final = (
    Column("URL", "shown"),
    Column("Owner", "email"),
    Column("Events"),
    Column("State", "state"),
    Column("Since", "created_at", "time"),
)
ACTS: Final = (
    Column("What", "act"),
    Column("To", "target"),
    Column("By", "actor"),
    Column("Why", "reason"),
    Column("Details"),
    Column("When", "at", "time"),
)
LIMITS: Final = "limits."
DETAILS_CHARACTERS: Final = 300  # of an action's details on the page
CHANGED: Final = "changed"  # the id of the section of values that differ from the default
SIGNING: Final = ("jwt.secret", "jwt.previous")
ENDPOINT: Final = next(each.path for each in webhooks.operations if each.handler is webhooks.stripe)


TABLES: Final = (*VALUES, *KEYS, *CHANGES, *BOUNDS, *EVENTS, *ACTS)


@attrs.frozen
class SettingsQuery:
    tab: Literal["values", "keys", "prices", "limits", "webhooks", "audit"] = "values"
    q: Annotated[str, Meta(max_length=200)] = ""
    sort: Annotated[str, order_by(TABLES, now=PRICES, hooks=HOOKS)] = ""
    before: Annotated[int | None, Meta(ge=1, le=2**53 - 1)] = None
    offset: Annotated[int, Meta(ge=0, le=SORTED_MOST)] = 0


@attrs.frozen
class PriceForm:
    """A price. ``price`` '': the type has no separate price."""

    job_type: PricedType
    reason: Reason
    price: Annotated[str, Meta(max_length=30)] = ""


@attrs.frozen
class LimitRow:
    """A limit of the gateway, such as the requests per minute of an address, user or node."""

    name: str
    most: str
    of: str
    value: Value

    @property
    def number(self) -> int | None:
        return int(self.most) if self.most.isdecimal() else None

    @property
    def source(self) -> str:
        return self.value.source


@pages.page(
    "/settings",
    "Settings",
    "settings.html",
    who=OVERSEERS,
    nav=Nav("Settings", "s", 95, "gear", SYSTEM),
    live=("shown",),
    every=10.0,
    rest=1.0,
)
async def settings(view: View[SettingsQuery]) -> Shown:
    """Return one tab."""
    query = view.query
    shown: Shown = {
        "tab": query.tab,
        "tabs": [(label, f"{PATH}?tab={name}", name == query.tab) for label, name in TABS],
        "other": EVERY_OTHER,
        "q": query.q,
    }
    return shown | await READERS[query.tab](view)


async def values_shown(view: View[SettingsQuery]) -> Shown:
    """Return the settings that differ from the default, then the others by section; or all of
    them, sorted by a column.
    """
    found = sections_of(_values(view), view.query.q)
    whole = table([each for rows in found.values() for each in rows], VALUES, view.query.sort, "")
    is_sorted = bool(whole.sort.text)
    sections = [("", "", whole.rows)] if is_sorted else changed_first(found)
    shown = {"values": whole, "sections": sections, "sorted": is_sorted}
    return {**shown, "files": files_of(view.gateway.settings, view.gateway.sources)}


def files_of(settings: Settings, sources: Mapping[str, str]) -> Sequence[str]:
    """Return the files that set values; if there is none, the one that the gateway would read."""
    files = {
        source.removeprefix(IN_FILE) for source in sources.values() if source.startswith(IN_FILE)
    }
    return sorted(files) or [str(data_folder(settings) / FILE)]


async def keys_of(view: View[SettingsQuery]) -> Shown:
    """Return the API keys, the token keys, and the keys that sign checkpoints."""
    gateway = view.gateway
    rows = await SettingsViews(gateway.database).keys(view.query.q.strip(), SORTED_MOST, 0)
    return {
        "keys": _page(view, rows, KEYS, "-created_at"),
        "signing": [value for value in _values(view) if value.name in SIGNING],
        "log": await read_keys(gateway.database),
    }


async def prices_of(view: View[SettingsQuery]) -> Shown:
    """Return the prices and their history."""
    kept = view.gateway.tables.prices
    changes = await kept.history(None, None, SORTED_MOST)
    return {
        "prices": table(await kept.now(), PRICES, view.query.sort, "job_type", "now"),
        "changes": _page(view, changes, CHANGES, "-since"),
    }


async def limits_shown(view: View[SettingsQuery]) -> Shown:
    return {"limits": table(limits_of(_values(view)), BOUNDS, view.query.sort, "")}


async def webhooks_of(view: View[SettingsQuery]) -> Shown:
    """Return users' webhook endpoints, Stripe's address, and Stripe's events."""
    gateway, views = view.gateway, SettingsViews(view.gateway.database)
    text, sort = view.query.q.strip(), view.query.sort
    rows = await views.events(text, SORTED_MOST, 0)
    hooks = await views.endpoints(text, SORTED_MOST)
    return {
        "hooks": table(hooks, HOOKS, sort, "-created_at", "hooks"),
        "endpoint": f"{gateway.url()}{ENDPOINT}",
        "secret": next(each for each in _values(view) if each.name == "stripe.webhook_secret"),
        "events": _page(view, rows, EVENTS, "-received_at"),
    }


def _values(view: View[SettingsQuery]) -> Sequence[Value]:
    return values_of(view.gateway.settings, view.gateway.sources)


def _page(
    view: View[SettingsQuery], rows: Sequence[Any], columns: Sequence[Column], usual: str
) -> Table:
    """Return a page of the newest ``SORTED_MOST`` rows."""
    return page_of(table(rows, columns, view.query.sort, usual), view.query.offset, ROWS)


async def acts_of(view: View[SettingsQuery]) -> Shown:
    """Return a page of the audit log."""
    query = view.query
    target = query.q.strip() or None
    rows = await view.gateway.tables.audit.page(query.before, target, SORTED_MOST)
    acts = _page(view, rows, ACTS, "-at")
    older = rows[-1].number if len(rows) == SORTED_MOST and acts.after is None else None
    return {"acts": acts, "older": older, "begun": query.before is None, "details_of": details_of}


def details_of(details: Mapping[str, Any]) -> str:
    """Return the details of an action as words."""
    texts = {
        name.replace("_", " "): value if isinstance(value, str) else orjson.dumps(value).decode()
        for name, value in sorted(details.items())
    }
    return ", ".join(f"{name}: {text}" for name, text in texts.items())[:DETAILS_CHARACTERS]


def sections_of(values: Sequence[Value], text: str) -> Mapping[str, list[Value]]:
    """Return the settings that contain the text, by section."""
    found = dict[str, list[Value]]()
    for value in values:
        about = f"{value.name} {value.source} {value.meaning} {value.variable}"
        if text.strip().casefold() in about.casefold():
            section, dot, _ = value.name.partition(".")
            found.setdefault(section if dot else "general", []).append(value)
    return found


def changed_first(
    found: Mapping[str, Sequence[Value]],
) -> list[tuple[str, str, Sequence[Value]]]:
    """Return sections as ids, titles and rows: first what differs from the default."""
    changed = [each for rows in found.values() for each in rows if is_changed(each)]
    first = [(CHANGED, "differs from the default", changed)] if changed else []
    rest = (
        (name, name, [each for each in rows if not is_changed(each)])
        for name, rows in found.items()
    )
    return [*first, *((name, title, rows) for name, title, rows in rest if rows)]


def is_changed(value: Value) -> bool:
    """Return True if a file, the environment or the command line sets the value."""
    return not value.source.startswith(DEFAULT)


def limits_of(values: Sequence[Value]) -> list[LimitRow]:
    """Return the limits among the settings."""
    found = []
    for value in values:
        if value.name.startswith(LIMITS):
            name = value.name.removeprefix(LIMITS)
            of = "user or node" if name in PER_CALLER else "address"
            of = f"requests per minute, per {of}" if name in RATES else ""
            found.append(LimitRow(name, value.text, of, value))
    return found


READERS: Final[Mapping[str, Callable[[View[SettingsQuery]], Awaitable[Shown]]]] = {
    "values": values_shown,
    "keys": keys_of,
    "prices": prices_of,
    "limits": limits_shown,
    "webhooks": webhooks_of,
    "audit": acts_of,
}


@pages.action("/settings/prices", who=ADMINS, form_on="/settings?tab=prices")
async def set_price(view: View[PriceForm]) -> Redirect | Problem:
    """Set the price of a job type for new jobs."""
    form = view.query
    units = _units(form.price.strip())
    if isinstance(units, Problem):
        return units
    if units is None and form.job_type == EVERY_OTHER:
        return ALWAYS
    doer = ActingUser(view.gateway, view.who.user, view.request_id)
    act = await doer.act("price.set", target_of(form.job_type), form.reason, {})
    if act is None:
        return ACCOUNT_GONE
    row = await view.gateway.tables.prices.set(form.job_type, units, act)
    if row is None:
        return NOTHING_THERE
    return Redirect(f"{PATH}?tab=prices", f"The price of {form.job_type} applies from now on.")


def _units(text: str) -> int | Problem | None:
    """Return the price that was entered; None if the field is empty."""
    try:
        return money.parse(text, zero=True) if text else None
    except ValueError as error:
        return invalid([Fault("price", "value", str(error))])
