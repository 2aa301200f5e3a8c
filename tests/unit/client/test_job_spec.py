"""A job's specification becomes the body of the request, and can be read back from it."""

from datetime import UTC

import attrs
from hypothesis import given
from hypothesis import strategies as st

from rendertrust.job_spec import JobSpec, NodeNeeds
from web.http.converter import structure
from web.jobs.validation import NewJob

NEEDS = st.builds(
    NodeNeeds,
    device=st.sampled_from([None, "cpu", "gpu"]),
    blender=st.sampled_from([None, "5.2"]),
    memory=st.none() | st.integers(1, 1 << 50),
    alike=st.none() | st.booleans(),
)
SPECS = st.builds(
    JobSpec,
    st.sampled_from(["render", "acme/echo:1"]),
    st.sampled_from([None, "s3://bucket/key"]),
    st.dictionaries(st.sampled_from(["frame", "samples"]), st.integers(1, 9)),
    queue=st.booleans(),
    frames=st.sampled_from([None, "1-48", "1-100x2"]),
    chunk=st.integers(1, 64),
    tiles=st.sampled_from([None, "2x2"]),
    order=st.sampled_from(["sequential", "every_nth", "middle_first"]),
    priority=st.sampled_from(["low", "normal", "high"]),
    max_credits=st.sampled_from([None, "12.5"]),
    pool=st.sampled_from(["mine", "trusted", "any"]),
    needs=st.none() | NEEDS.filter(lambda needs: needs != NodeNeeds()),
    start_after=st.none() | st.datetimes(timezones=st.just(UTC)),
    or_newer=st.booleans(),
    saved_by=st.sampled_from([None, "4.5"]),
    as_is=st.booleans(),
    quoted=st.sampled_from([None, "0", "12.5"]),
)


@given(SPECS)
def test_the_gateway_reads_what_the_client_describes(spec: JobSpec) -> None:
    assert structure(spec.body(), JobSpec) == spec


@given(SPECS)
def test_a_submission_needs_its_payload(spec: JobSpec) -> None:
    found = structure(spec.body(), NewJob)
    if spec.payload_ref is None:
        assert isinstance(found, list)
        assert [(fault.field, fault.code) for fault in found] == [("payload_ref", "missing")]
    else:
        assert isinstance(found, NewJob)
        assert JobSpec(**attrs.asdict(found, recurse=False)) == spec


def test_defaults_are_not_sent() -> None:
    assert JobSpec("render", chunk=1, pool="any").body() == {"job_type": "render"}
