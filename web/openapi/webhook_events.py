"""Webhooks in OpenAPI: the request that the gateway sends for each type of event."""

from rendertrust import webhooks
from web.openapi.schemas import Schema

DESCRIPTION = """\
Sent to the endpoints that subscribe to `{type}` or `{family}.*`. Verify the signature before you
read the body: HMAC-SHA256 of `{{webhook-id}}.{{webhook-timestamp}}.{{body}}`, as in Standard
Webhooks. A delivery may come twice, with the same `webhook-id`, and out of order: sort by `number`.
"""
HEADERS = {
    webhooks.ID: "The same in every try of a delivery.",
    webhooks.TIMESTAMP: "When this try was signed, in seconds since 1970.",
    webhooks.SIGNATURE: "`v1,` and the signature in base64; two during the rotation of a secret.",
}


def webhook_events() -> Schema:
    """Return a path item for each type of event."""
    return {name: {"post": delivered(name, text)} for name, text in webhooks.EVENTS.items()}


def delivered(name: str, text: str) -> Schema:
    """Return the request for one type of event."""
    return {
        "operationId": f"webhook_{name.replace('.', '_')}",
        "tags": ["endpoints"],
        "summary": text,
        "description": DESCRIPTION.format(type=name, family=name.partition(".")[0]),
        "security": [],
        "parameters": [
            {"name": header, "in": "header", "required": True, "description": meaning}
            | {"schema": {"type": "string"}}
            for header, meaning in HEADERS.items()
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": body_of(name)}},
        },
        "responses": {
            "2XX": {"description": "Delivered, if it comes within ten seconds"},
            "410": {"description": "Send nothing more: the endpoint is disabled"},
            "default": {
                "description": "Not delivered: the gateway tries again, for up to 40 hours"
            },
        },
    }


def body_of(name: str) -> Schema:
    """Return the schema of a delivery's body."""
    return {
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"const": name},
            "timestamp": {"type": "string", "format": "date-time"},
            "data": {"$ref": "#/components/schemas/Event"},
        },
    }
