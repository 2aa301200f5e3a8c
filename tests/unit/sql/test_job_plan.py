"""A job's plan is stored whole and tells what each unit has to do."""

from datetime import UTC
from uuid import UUID

import attrs
import orjson
from hypothesis import given
from hypothesis import strategies as st

from rendertrust.job_spec import JobSpec, NodeNeeds
from sql.job_plan import FileList, InputFile, Inputs, JobPlan, NewUnit, Pricing, read_plan

TEXT = st.text("abc/.", min_size=1, max_size=9)
SIZE = st.integers(0, 1 << 40)
NEEDS = st.builds(
    NodeNeeds,
    device=st.sampled_from([None, "cpu", "gpu"]),
    memory=st.none() | st.integers(1, 1 << 50),
    device_class=st.none() | TEXT,
    alike=st.none() | st.booleans(),
    opengl=st.none() | st.booleans(),
)
SPECS = st.builds(
    JobSpec,
    st.sampled_from(["render", "acme/echo:1"]),
    TEXT,
    st.dictionaries(TEXT, st.none() | st.integers(-9, 9) | TEXT | st.lists(st.booleans())),
    queue=st.booleans(),
    frames=st.sampled_from([None, "1-48"]),
    tiles=st.sampled_from([None, "2x3"]),
    priority=st.sampled_from(["low", "normal", "high"]),
    pool=st.sampled_from(["mine", "trusted", "any"]),
    needs=st.none() | NEEDS.filter(lambda needs: needs != NodeNeeds()),
    start_after=st.none() | st.datetimes(timezones=st.just(UTC)),
)
PLANS = st.builds(
    JobPlan,
    SPECS,
    st.builds(
        Inputs,
        file=st.none() | st.builds(InputFile, TEXT, TEXT, TEXT, SIZE),
        files=st.none() | st.builds(FileList, TEXT, TEXT, SIZE),
        scene=st.none() | TEXT,
        frames_of=st.none() | st.uuids(),
    ),
    NEEDS,
    st.none() | st.builds(Pricing, SIZE, SIZE, SIZE, st.none() | st.uuids()),
    st.tuples(st.builds(NewUnit, SIZE, place=SIZE)),
)


@given(PLANS)
def test_a_plan_is_stored_without_its_units(plan: JobPlan) -> None:
    kept = orjson.loads(orjson.dumps(plan.stored()))
    assert "units" not in kept
    spec = plan.spec
    assert read_plan(kept, spec.job_type, spec.payload_ref or "") == attrs.evolve(plan, units=())


def test_what_has_its_default_is_not_stored() -> None:
    plan = JobPlan(JobSpec("render", "s3://a/b"), units=(NewUnit(3),))
    assert plan.stored() == {}
    assert read_plan({}, "render", "s3://a/b") == attrs.evolve(plan, units=())


def test_the_names_that_queries_read() -> None:
    """Queries read the pool, the tiles, the inputs and the measured work by these names."""
    job = UUID(int=7)
    plan = JobPlan(
        JobSpec("render", "x", {"frame": 3}, tiles="2x3", pool="mine"),
        Inputs(InputFile("k", "a.blend", "aa", 1), FileList("l", "bb", 2), frames_of=job),
        pricing=Pricing(5, 6, 7),
    )
    assert plan.stored() == {
        "spec": {"params": {"frame": 3}, "tiles": "2x3", "pool": "mine"},
        "inputs": {
            "file": {"key": "k", "path": "a.blend", "sha256": "aa", "size": 1},
            "files": {"key": "l", "sha256": "bb", "size": 2},
            "frames_of": str(job),
        },
        "pricing": {"work": 5, "price": 6, "pays_for": 7},
    }


def test_a_unit_gets_its_part_of_the_jobs_parameters() -> None:
    spec = JobSpec("render", "x", {"width": 64, "height": 32, "format": "PNG"}, frames="1-4")
    plan = JobPlan(spec, Inputs(scene="shots/a.blend"))
    whole = {**spec.params, "scene": "shots/a.blend"}
    assert plan.params_of(None, None) == whole
    assert plan.params_of("7", None) == {**whole, "frame": 7}
    assert plan.params_of("7-8", None) == {**whole, "frames": [7, 8]}
    tiled = attrs.evolve(plan, spec=attrs.evolve(spec, tiles="2x1"))
    merged = tiled.params_of("7", None)
    assert [tile[0] for tile in merged["tiles"]] == [0, 32]
    tile = tiled.params_of("7", 1)
    assert tile["tile"] == merged["tiles"][1]
    assert "format" not in tile


def test_priority_and_cap_are_those_of_the_submission() -> None:
    spec = JobSpec("render", "x", priority="high", max_credits="2.5")
    plan = JobPlan(spec, units=(NewUnit(3), NewUnit(4)))
    assert (plan.priority, plan.cap, plan.price) == (1, 25_000, 7)
    assert JobPlan(JobSpec("render", "x")).cap is None
