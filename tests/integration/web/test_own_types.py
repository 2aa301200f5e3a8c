"""Job types that are reserved for the gateway itself."""

from typing import Any

import orjson
import pytest

from tests.integration.web.test_jobs import dispatch
from tests.support.http_gateway import Face, Headers
from web.jobs.validation import parameters_of


@pytest.mark.parametrize("job_type", ["preflight", "check", "check_batch"])
async def test_a_job_of_the_gateways_own_type_is_refused(
    face: Face, user: Headers, job_type: str
) -> None:
    status, body, _ = await dispatch(face, user, job_type=job_type, params={"whole": True})
    assert (status, [fault["field"] for fault in body["errors"]]) == (422, ["job_type"])
    idea = {"job_type": job_type, "payload_ref": "s3://bucket/key"}
    async with face.client.post("/api/v1/jobs/quote", json=idea, headers=user) as answer:
        assert answer.status == 422
        found: Any = await answer.json()
    assert [fault["field"] for fault in found["errors"]] == ["job_type"]


@pytest.mark.parametrize("job_type", ["echo", "checks", "Check", "preflight2"])
def test_other_types_are_for_everybody(job_type: str) -> None:
    assert parameters_of(job_type, {"a": 1}) == {"a": 1}


def test_numbers_are_those_that_the_database_returns() -> None:
    """Parameters must be the same numbers before and after they were stored in the database.

    A node signs the parameters that it was sent, and the gateway compares them with those in the
    database.
    """
    given = {"x": 1e17, "of": [{"y": -0.0, "z": 1.5}], "many": 10**19, "no": True}
    found = parameters_of("echo", given)
    assert orjson.dumps(found) == (
        b'{"x":100000000000000000,"of":[{"y":0.0,"z":1.5}],"many":10000000000000000000,"no":true}'
    )
