"""The relay in OpenAPI, which has no WebSockets: a GET for the handshake, and a text."""

from collections.abc import Mapping
from typing import Any, Final

import attrs
import msgspec

from rendertrust.protocol import (
    FRAME_BYTES_MAX,
    FROM_GATEWAY,
    FROM_NODE,
    CloseCode,
)
from web.openapi.error_responses import headers, reference
from web.openapi.schemas import Schema, markdown, reached

PREFIX: Final = "Frame"
NOT_UPGRADED: Final = "The request does not ask for a WebSocket"
CLOSE_CODES: Final[Mapping[CloseCode, str]] = {
    CloseCode.MALFORMED: "A frame that is invalid, binary or too long: connect again",
    CloseCode.FLOOD: "Too many frames: connect again, later",
    CloseCode.SERVICE_RESTART: "The gateway stops or restarts: connect again, soon",
    CloseCode.AUTHENTICATION_FAILED: "The token is not this node's, or not valid any more",
    CloseCode.HEARTBEAT_TIMEOUT: "No pong for 90 s: connect again",
    CloseCode.REPLACED: "Another connection of this node took over: stop",
}
WORDS: Final = f"""\
A node's socket. After the handshake both sides send text frames, each a JSON object of at most
{FRAME_BYTES_MAX} bytes whose `type` says what it is. Unknown types are ignored.

The gateway pings every 30 s and closes a socket that has not answered for 90 s; a frame
`{{"type": "pong"}}` counts as an answer. An invalid token gets close code 4001 after a
successful handshake: clients would not see the status of a refused one.

| close code | why, and what to do |
| --- | --- |
"""


def description() -> Schema:
    """Return the OpenAPI item of the path."""
    codes = "".join(f"| {code.value} | {text} |\n" for code, text in CLOSE_CODES.items())
    return {
        "get": {
            "operationId": "relay_socket",
            "tags": ["relay"],
            "summary": "Connect a node (WebSocket).",
            "description": WORDS + codes,
            "security": [{"node": []}, {"node_query": []}],
            "parameters": [
                {
                    "name": "node_id",
                    "in": "path",
                    "required": True,
                    "schema": {"type": "string", "format": "uuid"},
                }
            ],
            "responses": {
                "101": {
                    "description": "Switching protocols: frames follow",
                    "headers": headers("X-Request-ID"),
                },
                "400": refused(),
                "429": reference(429),
                "503": reference(503),
            },
            "x-close-codes": {str(code.value): text for code, text in CLOSE_CODES.items()},
            "x-frames": {"from_gateway": named(FROM_GATEWAY), "from_node": named(FROM_NODE)},
        }
    }


def refused() -> Schema:
    content = {"schema": {"$ref": "#/components/schemas/Refusal"}}
    return {
        "description": NOT_UPGRADED,
        "headers": headers("X-Request-ID"),
        "content": {"application/json": content, "application/problem+json": content},
    }


def named(frames: Mapping[str, type[Any]]) -> dict[str, Schema]:
    """Map the type of each relay frame to a reference to its schema."""
    return {
        name: {"$ref": f"#/components/schemas/{PREFIX}{kind.__name__}"}
        for name, kind in frames.items()
    }


def frame_schemas() -> dict[str, Schema]:
    """Return the schemas of relay frames and their parts, in the form in which they are sent."""
    types = {kind: name for frames in (FROM_GATEWAY, FROM_NODE) for name, kind in frames.items()}
    kinds = sorted(reached(types), key=lambda kind: kind.__name__)
    template = f"#/components/schemas/{PREFIX}{{name}}"
    _, made = msgspec.json.schema_components(kinds, ref_template=template)
    return {
        PREFIX + kind.__name__: _on_the_wire(made[kind.__name__], kind, types.get(kind))
        for kind in kinds
    }


def _on_the_wire(schema: Schema, kind: type[Any], frame: str | None) -> Schema:
    """Return the schema with the field names that are sent, after the type of a relay frame."""
    wire = {field.name: field.metadata.get("wire", field.name) for field in attrs.fields(kind)}
    properties = {wire[name]: member for name, member in schema["properties"].items()}
    required = [wire[name] for name in schema.get("required", ())]
    if frame is not None:
        properties = {"type": {"const": frame}, **properties}
        required = ["type", *required]
    done = {"type": "object", "properties": properties, "required": required}
    if "description" in schema:
        done["description"] = markdown(schema["description"])
    return done
