"""Checks of a gateway's answers against its own OpenAPI document."""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import aiohttp
import attrs
import jsonschema_rs

from web.openapi.served_document import Description
from web.routes import OPERATIONS

Json = dict[str, Any]
# The document describes every answer below these paths. Other paths may belong to the object store.
OURS = re.compile(r"/(api|health|version|metrics|openapi\.json|docs|redoc)(/|$)")
# Statuses that aiohttp answers itself, for undeclared paths and methods and for malformed HTTP.
UNDECLARED = (400, 404, 405)


@attrs.frozen
class Heard:
    """An answer of the gateway; the header names are in lower case."""

    method: str
    path: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    def __str__(self) -> str:
        return f"{self.method} {self.path} → {self.status} {self.body[:300]!r}"


class Contract:
    """An OpenAPI document with a check of answers against it."""

    def __init__(self, document: Json) -> None:
        self._document = closed(document)
        paths = sorted(document["paths"], key=lambda path: path.count("{"))
        self._paths = [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), path) for path in paths]
        self._validate = cache(self._validator)

    def check(self, heard: Heard) -> None:
        """Fail unless the document has this status with these headers, and the body fits."""
        preflight = heard.method == "OPTIONS" and "access-control-allow-methods" in heard.headers
        if preflight or not OURS.match(heard.path):
            return
        operation = self.operation(heard.method, heard.path)
        if operation is None:
            assert heard.status in UNDECLARED, f"not described: {heard}"
            self._check_body(heard, {"$ref": "#/components/schemas/Refusal"})
            return
        response = operation["responses"].get(str(heard.status))
        assert response is not None, f"not described: {heard}"
        response = self.resolved(response)
        for name, header in response.get("headers", {}).items():
            wanted = self.resolved(header)["required"]
            assert name.lower() in heard.headers or not wanted, f"without {name}: {heard}"
        self._check_content(heard, response.get("content", {}))

    def watch(self) -> aiohttp.TraceConfig:
        """Return a trace configuration that makes a client session check every answer."""

        async def ended(
            session: aiohttp.ClientSession, context: Any, params: aiohttp.TraceRequestEndParams
        ) -> None:
            answer = params.response
            if OURS.match(answer.url.raw_path) and answer.content_type != "text/event-stream":
                body = await answer.read()
                path = answer.url.raw_path
                headers = {name.lower(): value for name, value in answer.headers.items()}
                self.check(Heard(params.method, path, answer.status, headers, body))

        config = aiohttp.TraceConfig()
        config.on_request_end.append(ended)
        return config

    def operation(self, method: str, path: str) -> Json | None:
        """Return the operation of a method and path, or None; HEAD is treated as GET."""
        name = "get" if method == "HEAD" else method.lower()
        for pattern, template in self._paths:
            if pattern.fullmatch(path) and name in self._document["paths"][template]:
                return dict(self._document["paths"][template][name])
        return None

    def resolved(self, value: Json) -> Json:
        if "$ref" not in value:
            return value
        found: Any = self._document
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return dict(found)

    def _check_content(self, heard: Heard, content: Json) -> None:
        media = heard.headers.get("content-type", "").partition(";")[0]
        if not content:
            assert not heard.body, f"has a body: {heard}"
        elif heard.method != "HEAD":
            assert media in content, f"is {media}: {heard}"
            if media.endswith("json"):
                self._check_body(heard, content[media]["schema"])

    def _check_body(self, heard: Heard, schema: Json) -> None:
        if heard.method == "HEAD":
            return
        validator = self._validate(json.dumps(schema))
        wrong = [error.message for error in validator.iter_errors(json.loads(heard.body))]
        assert not wrong, f"{wrong[:3]}: {heard}"

    def _validator(self, schema: str) -> jsonschema_rs.Draft202012Validator:
        whole = {"components": self._document["components"], **json.loads(schema)}
        return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


@cache
def our_contract() -> Contract:
    """Return the contract that this checkout's API describes."""
    return Contract(json.loads(Description(OPERATIONS).document().body))


def closed(document: Json) -> Json:
    """Return the document with ``additionalProperties: false`` in every object schema.

    Clients must tolerate unknown members, but in tests an undocumented member is an error.
    """
    components = document["components"]
    schemas = {
        name: {**schema, "additionalProperties": False} if "properties" in schema else schema
        for name, schema in components["schemas"].items()
    }
    return {**document, "components": {**components, "schemas": schemas}}
