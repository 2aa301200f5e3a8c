"""Rendering of whole pages, and of single blocks for live updates."""

import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from actors.console_hub.messages import Fragment
from rendertrust import money
from web.console import value_markup
from web.console.assets import assets
from web.console.icons import icon
from web.console.tables import heads, order_of

TEMPLATES: Final = Path(__file__).parent / "templates"


@cache
def environment() -> Environment:
    """Return the template environment. Values are escaped, and characters in them that change text
    direction are marked; undefined names are errors.
    """
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=value_markup.marked,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    filters: dict[str, Any] = made.filters
    filters.update(
        credits=value_markup.credits_,
        exact=value_markup.exact,
        amount=money.plain,
        credit_count=value_markup.credit_count,
        count=value_markup.count,
        decimal=value_markup.decimal,
        in_money=value_markup.in_money,
        price=value_markup.price,
        when=value_markup.when,
        clock=value_markup.clock,
        moment=value_markup.moment,
        span=value_markup.span,
        bytes=value_markup.size,
        short=value_markup.short,
        named=value_markup.isolated,
        state=value_markup.state,
    )
    given: dict[str, Any] = made.globals
    given.update(icon=icon, asset=assets().url, address=value_markup.address)
    given.update(heads=heads, order_of=order_of, refusal=None, nonced="")
    # A block that is rendered alone sees only these globals and its context.
    given["parts"] = made.get_template("parts.html").module
    return made


def page(template: str, context: Mapping[str, Any]) -> str:
    """Return a whole page."""
    return environment().get_template(template).render(context)


def blocks(template: str, names: Iterable[str], context: Mapping[str, Any]) -> list[Fragment]:
    """Return some blocks of a page."""
    found = environment().get_template(template)
    return [_block(found, name, context) for name in names]


def _block(template: Any, name: str, context: Mapping[str, Any]) -> Fragment:
    html = "".join(template.blocks[name](template.new_context(dict(context)))).strip()
    return Fragment(name, html, hashlib.sha256(html.encode()).digest())
