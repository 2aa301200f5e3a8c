"""What a stranger is sent of a trial and of any other check: nothing in it tells which it is."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import attrs
import pytest

from actors.node_session.checks import frame
from actors.node_session.messages import RunCheck
from actors.node_session.settings import NodeSessionSettings
from rendertrust.protocol import JobDispatch, encode
from sql.sampling import ALWAYS_UNTIL
from tests.unit.simulated_time import simulated
from tests.unit.verifier.stage import EXACT, Play, apart, verifying

OURS = UUID(int=20)
WRONG, LOOKED = apart(1.5), {"looked": True, "samples": 128}


async def sent(play: Play, order: RunCheck) -> JobDispatch:
    return await frame(order, play.objects, NodeSessionSettings(bucket="rendertrust"), None)


def shape(told: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Every member, in its order, with what it is; of texts how long, as far as that tells."""
    if isinstance(told, dict):
        for name, value in told.items():
            yield from shape(value, f"{path}.{name}")
    elif isinstance(told, list):
        for number, value in enumerate(told):
            yield from shape(value, f"{path}[{number}]")
    else:
        yield path, f"{type(told).__name__} {len(told) if isinstance(told, str) else ''}"


def plain(dispatch: JobDispatch) -> Any:
    """Without what differs between checks: the name, where it looks, how many samples it says."""
    params = {**dispatch.params, "samples": "a number"}
    params["draws"] = [[0.5, 0.5, None] for _ in params["draws"]]
    inputs = tuple(attrs.evolve(one, url="signed") for one in dispatch.inputs)
    return attrs.evolve(dispatch, job_id=str(UUID(int=1)), params=params, inputs=inputs)


@simulated
@pytest.mark.parametrize("params", [{}, {"samples": 64}, {"format": "JPEG", "width": 64}])
@pytest.mark.parametrize("is_known", [True, False])
async def test_a_trial_is_sent_as_the_check_of_the_same_result(
    params: dict[str, Any], is_known: bool
) -> None:
    async with verifying(own=frozenset({OURS}), trial_odds=0.05, least_odds=1.0) as play:
        play.known("v" * ALWAYS_UNTIL * is_known)
        ours, stranger = play.checker(20, None), play.checker(30, 3)
        job = await play.delivered(**params)
        if not is_known or "samples" not in params:
            await play.checks(ours, LOOKED)
        check = await play.checks(stranger, EXACT)
        await play.ends(job, "COMPLETED")
        made = await play.checks(ours, WRONG)
        assert made.unit.params["samples"] not in (128, params.get("samples"))
        other = await play.delivered(**params)
        if not is_known:
            await play.checks(ours, LOOKED)
        trial = await play.checks(stranger, WRONG)
        assert trial.unit.job == job != other
        one, two = await sent(play, check), await sent(play, trial)
        assert one.params["samples"] == params.get("samples", 128)
        assert one.params["samples"] != two.params["samples"]
        assert plain(one) == plain(two)
        assert [*shape(_members(one))] == [*shape(_members(two))]
        assert (await play.checks(stranger, EXACT)).unit.job == other


def _members(dispatch: JobDispatch) -> Any:
    """As it goes over the line; numbers of chance by what they are."""
    return json.loads(encode(plain(dispatch)))


@simulated
async def test_the_gateways_own_is_told_no_number_that_somebody_might_have_told_wrong() -> None:
    async with verifying(own=frozenset({OURS}), trial_odds=0.05) as play:
        ours, stranger = play.checker(20, None), play.checker(30, 3)
        await play.delivered()
        glance = await play.checks(ours, LOOKED)
        stated = await play.checks(stranger, apart(0.9))
        second = await play.asked(ours)
        assert [order.unit.params.get("samples") for order in (glance, stated, second)] == [
            None,
            128,
            None,
        ]
