"""The OpenAPI document: valid, complete, and consistent with its classes."""

import json
import re
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import attrs
import jsonschema_rs
import pytest
from msgspec import Meta
from openapi_spec_validator import validate

from rendertrust import webhooks
from rendertrust.job_status import STATUSES
from rendertrust.protocol import FROM_GATEWAY, FROM_NODE, CloseCode, encode
from rendertrust.protocol import JobDispatch as DispatchFrame
from tests.golden.files import kept
from web.http.operations import Audience, Operation
from web.openapi.document import describe
from web.openapi.schemas import SameName, components, members_of
from web.openapi.served_document import Description
from web.routes import OPERATIONS

DOCUMENT: dict[str, Any] = json.loads(Description(OPERATIONS).document().body)
SHOWN = [operation for operation in OPERATIONS if not operation.hidden]


def name_of(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def described(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][operation.path][operation.method.lower()]
    return found


def check(value: Any, schema: dict[str, Any]) -> None:
    whole = {**schema, "components": DOCUMENT["components"]}
    jsonschema_rs.Draft202012Validator(whole, validate_formats=True).validate(value)


def test_it_is_valid_openapi() -> None:
    validate(DOCUMENT)


def test_operation_ids_are_one_operations_each() -> None:
    ids = [o["operationId"] for path in DOCUMENT["paths"].values() for o in path.values()]
    assert len(ids) == len(set(ids)) == len(SHOWN) + 1  # the relay is added


@pytest.mark.parametrize("operation", SHOWN, ids=name_of)
def test_an_operation_is_described_with_all_that_it_answers(operation: Operation) -> None:
    found = described(operation)
    statuses = {int(status) for status in found["responses"]}
    assert statuses >= {*operation.answers, *operation.refusals, 429, 500, 503}
    assert found["summary"].endswith("."), "the first line of a docstring is a whole sentence"
    assert found["tags"] == [operation.noun]
    if operation.audience is not Audience.PUBLIC:
        assert 401 in statuses
    if operation.method != "GET":
        assert statuses >= {408, 413, 415, 422}


@pytest.mark.parametrize("operation", SHOWN, ids=name_of)
def test_an_operation_has_examples_and_they_fit(operation: Operation) -> None:
    first = next(iter(operation.answers))
    found = described(operation)
    if operation.body is not None:
        content = found["requestBody"]["content"]["application/json"]
        check(content["example"], content["schema"])
    if operation.media == "application/json":
        content = found["responses"][str(first)]["content"]["application/json"]
        check(content["example"], content["schema"])


def test_the_examples_of_refusals_fit() -> None:
    shared = list(DOCUMENT["components"]["responses"].values())
    own = [
        response for operation in SHOWN for response in described(operation)["responses"].items()
    ]
    refusals = [r for status, r in own if int(status) >= 400 and "$ref" not in r]
    for response in (*shared, *refusals):
        for content in response["content"].values():
            check(content["example"], content["schema"])


def test_it_is_the_same_each_time() -> None:
    first, second = (Description(OPERATIONS).document() for _ in range(2))
    assert first == second


def test_hidden_operations_are_not_shown() -> None:
    hidden = [operation.path for operation in OPERATIONS if operation.hidden]
    assert hidden
    assert not DOCUMENT["paths"].keys() & set(hidden)


def test_a_request_is_closed_and_an_answer_open() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["NewJob"]["additionalProperties"] is False
    assert "additionalProperties" not in schemas["Job"]
    left_out = {"start_after", "notify", "webhook"}  # absent from a job without them
    assert {*schemas["Job"]["required"], *left_out} == set(schemas["Job"]["properties"])
    assert not left_out & {*schemas["Job"]["required"]}


def test_security_says_whose_token_it_takes() -> None:
    paths = DOCUMENT["paths"]
    assert paths["/health"]["get"]["security"] == []
    assert {} in paths["/api/v1/nodes/register"]["post"]["security"]
    assert paths["/api/v1/jobs"]["get"]["security"] == [{"user": []}, {"api_key": ["jobs:read"]}]
    assert paths["/api/v1/nodes/heartbeat"]["post"]["security"] == [{"node": []}]


# -- the relay


def test_every_close_code_and_frame_is_described() -> None:
    relay = DOCUMENT["paths"]["/api/v1/relay/ws/{node_id}"]["get"]
    assert set(relay["x-close-codes"]) == {str(code.value) for code in CloseCode}
    frames = relay["x-frames"]
    assert set(frames["from_gateway"]) == set(FROM_GATEWAY)
    assert set(frames["from_node"]) == set(FROM_NODE)


def test_frames_fit_their_schemas() -> None:
    frame = DispatchFrame(job_id="1", job_type="render", payload_ref="s3://bucket/key")
    schema = {"$ref": "#/components/schemas/FrameJobDispatch"}
    check(json.loads(encode(frame)), schema)
    hello = {"type": "hello", "version": "1", "class": "cuda/RTX-4090"}
    check(hello, {"$ref": "#/components/schemas/FrameHello"})
    with pytest.raises(jsonschema_rs.ValidationError):
        check({"type": "job_status"}, {"$ref": "#/components/schemas/FrameJobStatus"})


# -- schemas


@attrs.frozen
class Inner:
    at: datetime
    until: datetime | None = None


@attrs.frozen
class Outer:
    """Class with members of all kinds."""

    id: UUID
    inner: list[Inner]
    code: Annotated[str, Meta(pattern="a|b")]


def test_times_have_their_format_and_patterns_hold_for_the_whole() -> None:
    made = components([Outer], [])
    assert made["Inner"]["properties"]["at"] == {"type": "string", "format": "date-time"}
    assert made["Inner"]["properties"]["until"]["anyOf"][0]["format"] == "date-time"
    assert made["Outer"]["properties"]["code"]["pattern"] == "^(?:a|b)$"
    assert made["Outer"]["description"] == "Class with members of all kinds."


def test_a_class_goes_one_way() -> None:
    with pytest.raises(SameName, match="Inner is both"):
        components([Outer], [Inner])


def test_two_classes_of_one_name_are_refused() -> None:
    other = attrs.make_class("Inner", {"a": attrs.field(type=int)}, frozen=True)
    with pytest.raises(SameName, match="both have Inner"):
        components([], [Inner, other])


@attrs.frozen
class Query:
    word: str
    limit: Annotated[int, Meta(ge=1)] | None = None


def test_a_parameter_that_may_be_left_out_is_never_null() -> None:
    assert members_of(Query) == {
        "word": ({"type": "string"}, True),
        "limit": ({"type": "integer", "minimum": 1}, False),
    }


def test_nothing_is_described_twice() -> None:
    assert describe(OPERATIONS)["paths"].keys() == DOCUMENT["paths"].keys()


def test_every_event_that_can_be_subscribed_to_is_a_webhook() -> None:
    pattern = DOCUMENT["components"]["schemas"]["NewHook"]["properties"]["types"]["items"][
        "pattern"
    ]
    assert DOCUMENT["webhooks"].keys() == webhooks.EVENTS.keys()
    assert all(re.search(pattern, name) for name in webhooks.EVENTS)
    assert {f"job.{status.lower()}" for status in STATUSES} <= webhooks.EVENTS.keys()


def test_a_delivery_fits_its_webhook() -> None:
    body = json.loads(kept("deliveries")["webhook.json"])
    operation = DOCUMENT["webhooks"][body["type"]]["post"]
    check(body, operation["requestBody"]["content"]["application/json"]["schema"])
    sent = {parameter["name"] for parameter in operation["parameters"]}
    assert sent == set(webhooks.headers_for([b"key"], "id", 1, b"body"))
