"""The whole document: every operation, its security, and shared components."""

import re
import sys
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import attrs

import rendertrust
from web.http.operations import Audience, Operation
from web.http.problem import Fault
from web.nodes.relay import PATH as RELAY
from web.openapi import error_responses, relay
from web.openapi.code_samples import code_samples
from web.openapi.error_responses import GivenUp, Refusal, Shortfall, headers
from web.openapi.schemas import Schema, components, markdown, members_of, schema_of
from web.openapi.webhook_events import webhook_events

VERSION: Final = "3.1.1"
INTRODUCTION: Final = """\
Render frames on idle machines, pay only for checked work, prove every credit.

* Amounts are strings with four decimals, never numbers; times are RFC 3339 in UTC; ids are UUIDs.
* Every error is answered with `detail`, a sentence for people, and RFC 9457's members.
  Things of other users answer 404, like things that do not exist.
* Every answer has `X-Request-ID`, the name of the request in the log. The gateway chooses it, or
  keeps the one that a trusted proxy sends.
* Every GET takes HEAD too.
* Requests are counted, per address or per user: `RateLimit-Limit`, `RateLimit-Remaining` and
  `RateLimit-Reset` (seconds) are in every answer to a counted request, whatever its status.
* Presigned URLs that name this gateway are forwarded to the object store below `/{bucket}/…`: they
  speak the object store's own protocol and are not described here.
"""
SECURITY: Final[Schema] = {
    "user": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The access token of a user who is logged in.",
    },
    "api_key": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "rtk_…",
        "description": "An API key of a user that has the scope which the operation names.",
    },
    "node": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A node's token, from registering or verifying it.",
    },
    "node_query": {
        "type": "apiKey",
        "in": "query",
        "name": "token",
        "description": "The node's token, for clients that cannot set headers on a handshake.",
    },
}
_IDS = re.compile(r"\{(\w+)\}")
_IDEMPOTENCY_KEY: Final[Schema] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same request gets the first answer again; with another"
    " request it is refused with 422.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}


def describe(operations: Iterable[Operation]) -> dict[str, Any]:
    """Return the OpenAPI document as plain values."""
    shown = [operation for operation in operations if not operation.hidden]
    return {
        "openapi": VERSION,
        "info": {
            "title": "RenderTrust",
            "version": rendertrust.__version__,
            "description": INTRODUCTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": tags(shown),
        "paths": paths(shown),
        "webhooks": webhook_events(),
        "components": {
            "schemas": schemas(shown),
            "responses": error_responses.response_components(),
            "headers": error_responses.header_components(),
            "securitySchemes": SECURITY,
        },
    }


def tags(operations: Iterable[Operation]) -> list[Schema]:
    """Return a tag for each module of routes; its description is the first line of the module's
    docstring.
    """
    modules = {o.noun: sys.modules[o.handler.__module__] for o in operations}
    found = [
        {"name": noun, "description": (module.__doc__ or "").splitlines()[0]}
        for noun, module in modules.items()
    ]
    return [*found, {"name": "relay", "description": "The socket between a node and the gateway."}]


def paths(operations: Iterable[Operation]) -> Schema:
    found: Schema = {}
    uses: Counter[str] = Counter()
    for operation in operations:
        name = f"{operation.noun}_{operation.handler.__name__}"
        uses[name] += 1  # one handler may also serve an alias
        found.setdefault(operation.path, {})[operation.method.lower()] = described(
            operation, name if uses[name] == 1 else f"{name}_{uses[name]}"
        )
    found[RELAY] = relay.description()
    return found


def described(operation: Operation, name: str) -> Schema:
    """Return one operation; ``name`` is its operationId."""
    done: Schema = {
        "operationId": name,
        "tags": [operation.noun],
        "summary": markdown(operation.summary),
        "description": markdown(operation.description),
        "security": security(operation),
        "parameters": parameters(operation),
        "requestBody": request_body(operation),
        "responses": {**successes(operation), **error_responses.responses_of(operation)},
        "x-codeSamples": code_samples(operation),
    }
    return {key: value for key, value in done.items() if value or key == "security"}


def security(operation: Operation) -> list[Schema]:
    """Return the alternative credentials; an empty alternative allows requests without
    credentials.
    """
    keys: list[Schema] = [] if operation.scope is None else [{"api_key": [operation.scope.value]}]
    return {
        Audience.PUBLIC: list[Schema](),
        Audience.ANYONE: [{}, {"user": []}, *keys],
        Audience.USER: [{"user": list[str]()}, *keys],
        Audience.NODE: [{"node": list[str]()}],
        Audience.ADMIN: [{"user": ["admin"]}],
    }[operation.audience]


def parameters(operation: Operation) -> list[Schema]:
    """Return the path's ids and words, then the query, then headers."""
    uuid = {"type": "string", "format": "uuid"}
    words = {} if operation.words is None else members_of(operation.words)
    found: list[Schema] = [
        {"name": name, "in": "path", "required": True, "schema": words.get(name, (uuid, True))[0]}
        for name in _IDS.findall(operation.path)
    ]
    if operation.query is not None:
        found += [
            {"name": name, "in": "query", "required": required, "schema": schema}
            for name, (schema, required) in members_of(operation.query).items()
        ]
    found += [
        {"name": name, "in": "header", "description": text, "schema": {"type": "string"}}
        for name, text in operation.headers.items()
    ]
    return [*found, _IDEMPOTENCY_KEY] if operation.idempotency else found


def request_body(operation: Operation) -> Schema:
    if operation.body is None:
        return {}
    content: Schema = {"schema": schema_of(operation.body)}
    if operation.request_example is not None:
        content["example"] = operation.request_example
    fields = attrs.fields(operation.body) if attrs.has(operation.body) else ()
    required = not fields or any(field.default is attrs.NOTHING for field in fields)
    return {"required": required, "content": {"application/json": content}}


def successes(operation: Operation) -> Schema:
    """Return the responses of success; the example belongs to the first."""
    found: Schema = {}
    for index, (status, kind) in enumerate(operation.answers.items()):
        replayed = ("Idempotency-Replayed",) if operation.idempotency else ()
        answer: Schema = {
            "description": error_responses.phrase(status),
            "headers": headers("X-Request-ID", *error_responses.RATE_LIMIT, *replayed),
        }
        if kind is not None:
            content: Schema = {"schema": schema_of(kind)}
            if index == 0 and operation.example is not None:
                content["example"] = operation.example
            answer["content"] = {operation.media: content}
            for media in operation.also if index == 0 else ():
                answer["content"][media] = {"schema": {"type": "string"}}
        found[str(status)] = answer
    return found


def schemas(operations: Iterable[Operation]) -> Schema:
    """Return the schemas of all classes that operations read or write, of refusals and of relay
    frames.
    """
    operations = list(operations)
    read = [o.body for o in operations]
    written = [kind for o in operations for kind in o.answers.values()]
    made = components(read, [*written, Refusal, Shortfall, Fault, GivenUp])
    return {**error_responses.refusal_schemas(made), **relay.frame_schemas()}
