"""Hostile requests for every route of a site, derived from what the route declares."""

import itertools
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import attrs
import orjson
from aiohttp import web
from msgspec import Meta
from multidict import MultiDict

from tests.fuzz.documents import SHAPES
from web.console.page_handler import ActionHandler, CallHandler, PageHandler, PathHandler
from web.console.registry import ID
from web.http.converter import structure_query
from web.http.endpoint import Endpoint
from web.http.operations import Audience, Operation

UUID_TEXT: Final = "00000000-0000-4000-8000-000000000000"
BODY_MOST, QUERY_MOST, ITEMS_MOST, TEXT_MOST = 128 << 10, 7_000, 2_048, 8_192
LEAST: Final = 64  # items or characters; shorter values are not worth a test
LONG: Final = 500  # characters; shorter texts are not worth a test
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
WORDS: Final = ("1", "render", "jobs", "en")


@attrs.frozen
class Hostile:
    """Requests to a route that differ only in size; ``make`` returns path with query, and body."""

    label: str
    make: Callable[[int], tuple[str, bytes]]
    largest: int
    media: str = JSON
    wrong: bool = False  # whatever the size, the answer must be a refusal


@attrs.frozen
class Route:
    """A route of the site, and its audience."""

    method: str
    path: str
    audience: Audience
    operation: Operation | None
    of_console: bool
    fields: tuple[str, ...]  # names of the query's or form's fields

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def hostile(self) -> Iterator[Hostile]:
        """Yield the hostile requests for this route."""
        is_read = self.operation is not None and self.method != "GET"
        yield Hostile(f"{self}, query", self._queried, QUERY_MOST, wrong=is_read)
        if self.method in ("GET", "HEAD"):
            return
        if self.operation is None:
            media = FORM if self.of_console else "application/octet-stream"
            yield Hostile(f"{self}, fields", self._form, BODY_MOST // 16, media)
            yield Hostile(f"{self}, long fields", self._field, BODY_MOST, media)
            return
        yield Hostile(
            f"{self}, keys",
            self._sent(SHAPES["a last key that comes again"]),
            BODY_MOST,
            wrong=True,
        )
        kind = self.operation.body
        if kind is not None:
            yield Hostile(
                f"{self}, members", self._sent(lambda size: filled(kind, size)), BODY_MOST
            )
            yield from self._examples(kind, self.operation.request_example)

    def _examples(self, kind: Any, example: Any) -> Iterator[Hostile]:
        """Yield the operation's example with one member enlarged within the limits of
        validation.
        """
        hints = typing.get_type_hints(kind, include_extras=True) if attrs.has(kind) else {}
        for name in sorted(hints.keys() & (example or {}).keys()):
            grown = grown_to(hints[name], example[name])
            if grown is not None and grown[1] >= LEAST:
                make, most = grown

                def sent(size: int, name: str = name, make: Any = make) -> bytes:
                    return orjson.dumps({**example, name: make(size)})

                yield Hostile(f"{self}, its {name}", self._sent(sent), most)

    def _queried(self, size: int) -> tuple[str, bytes]:
        return f"{self.path}?{self._each(size, 'x')}" + "&a=%22" * (size // 12), b"["

    def _each(self, size: int, letter: str) -> str:
        """Return a form or query whose fields share half of the size."""
        many = self.fields or ("a",)
        return "&".join(f"{name}={letter * (size // 2 // len(many))}" for name in many)

    def _sent(self, make: Callable[[int], bytes]) -> Callable[[int], tuple[str, bytes]]:
        return lambda size: (self.path, make(size))

    def _form(self, size: int) -> tuple[str, bytes]:
        return self.path, b"a=%22&" * (size // 6)

    def _field(self, size: int) -> tuple[str, bytes]:
        return self.path, self._each(size, "%22+").encode()


def routes_of(site: web.Application) -> Iterator[Route]:
    """Yield every route of the site; HEAD counts as GET."""
    for route in site.router.routes():
        if route.method == "HEAD" or route.resource is None:
            continue
        owner = getattr(route.handler, "__self__", None)
        assert owner is not None, f"{route} is served by a function alone"
        operation, asked = declared(owner)
        audience = owner.operation.audience if isinstance(owner, Endpoint) else owner.audience
        fields = tuple(field.name for field in attrs.fields(asked)) if asked else ()
        method = "PUT" if route.method == "*" else route.method
        path = path_of(route.resource.canonical, operation)
        yield Route(method, path, audience, operation, isinstance(owner, PathHandler), fields)


def declared(owner: object) -> tuple[Operation | None, Any]:
    """Return the route's operation, if any, and the class of its query or form."""
    if isinstance(owner, PageHandler):
        return None, owner.page.query
    if isinstance(owner, ActionHandler):
        return None, owner.action.form
    if isinstance(owner, CallHandler):
        return owner.call.operation, owner.call.operation.query
    return (owner.operation, owner.operation.query) if isinstance(owner, Endpoint) else (None, None)


def path_of(path: str, operation: Operation | None) -> str:
    """Return the path with a valid value for each parameter."""
    names = ID.findall(path)
    kind = None if operation is None else operation.words
    words = words_for([] if kind is None else [field.name for field in attrs.fields(kind)], kind)
    return path.format_map({name: words.get(name, UUID_TEXT) for name in names})


def words_for(names: Sequence[str], kind: Any) -> Mapping[str, str]:
    """Return path parameters that the class accepts, such as a value of a literal."""
    if kind is None:
        return {}
    hints = typing.get_type_hints(kind, include_extras=True)
    literal = [
        str(word)
        for hint in hints.values()
        if get_origin(hint) is Literal
        for word in get_args(hint)
    ]
    for words in itertools.product((*literal, *WORDS), repeat=len(names)):
        found = dict(zip(names, words, strict=True))
        if not isinstance(structure_query(MultiDict(found), kind), list):
            return found
    raise AssertionError(f"no word is one of {kind}")


# ── bodies ───────────────────────────────────────────────────────────────────────────────────────


def filled(kind: Any, size: int) -> bytes:
    """Return a JSON body for the class, with ``size`` bytes divided among its members."""
    return orjson.dumps(_valued(kind, size, 0))


def _valued(kind: Any, size: int, depth: int) -> Any:
    kind = plain(kind)
    origin = get_origin(kind)
    if attrs.has(kind):
        hints = typing.get_type_hints(kind, include_extras=True)
        share = size // max(len(hints), 1)
        return {name: _valued(hint, share, depth + 1) for name, hint in hints.items()}
    if origin is list:
        one = _valued(get_args(kind)[0], 20, depth + 1)
        return [one] * (size // len(orjson.dumps(one)))
    if origin is dict or kind is dict:
        return {f"{number:072x}": [] for number in range(size // 79)}
    return True if kind in (int, float, bool) else "x" * size


def plain(kind: Any) -> Any:
    """Return the type without its bounds and without None."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in (Union, types.UnionType):
        return plain(next(one for one in get_args(kind) if one is not type(None)))
    return kind


def most_of(kind: Any) -> int | None:
    """Return the maximal length of the type, or None."""
    if get_origin(kind) in (Union, types.UnionType):
        return next(filter(None, map(most_of, get_args(kind))), None)
    bounds = [one for one in get_args(kind)[1:] if isinstance(one, Meta)]
    return next((bound.max_length for bound in bounds if bound.max_length), None)


def grown_to(kind: Any, value: Any) -> tuple[Callable[[int], Any], int] | None:
    """Return a function that enlarges the value, and the largest size; None if it cannot grow."""
    most = most_of(kind)
    if isinstance(value, list) and value:
        return partial(_listed, value), min(most or ITEMS_MOST, ITEMS_MOST)
    if isinstance(value, dict):
        return partial(_keyed, value), TEXT_MOST
    if isinstance(value, str) and value and (most or 0) >= LONG:
        return partial(_joined, value), min(most or TEXT_MOST, TEXT_MOST)
    return None


def _listed(value: list[Any], size: int) -> list[Any]:
    return value * (size // len(value))


def _keyed(value: dict[str, Any], size: int) -> dict[str, Any]:
    return {**value, **{f"{number:072x}": 1 for number in range(size // 79)}}


def _joined(value: str, size: int) -> str:
    return ",".join([value] * (size // (len(value) + 1)))
