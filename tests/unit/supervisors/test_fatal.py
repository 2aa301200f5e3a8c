"""An actor that raises Fatal, because no restart can help, ends the whole tree."""

import pytest

from actors.kernel import Actor, ActorCrashed, Fatal, Message, handles
from supervisors.child import Child, StartFailed
from supervisors.dynamic_supervisor import DynamicSupervisor
from supervisors.restart_policy import GiveUp, Intensity, Strategy
from supervisors.supervisor import Supervisor
from tests.unit.simulated_time import simulated


class Judge:
    """Marker of the judge's address."""


class Look(Message[Judge, None]):
    """Message whose handler raises Fatal."""


class JudgeActor(Actor[Judge]):
    @handles(Look)
    async def look(self, _: Look) -> None:
        raise Fatal("nothing adds up")


@simulated
@pytest.mark.parametrize("give_up", list(GiveUp))
async def test_fatal_passes_every_supervisor(give_up: GiveUp) -> None:
    """Fatal restarts nothing: every supervisor gives up, whatever its policy, with Fatal's text."""
    child = Child("judge", JudgeActor)
    inner = Supervisor("inner", Strategy.ONE_FOR_ONE, Intensity(5, 30.0), [child], give_up=give_up)
    outer = Supervisor("outer", Strategy.ONE_FOR_ONE, Intensity(5, 30.0), [inner], give_up=give_up)
    root = Supervisor("root", Strategy.REST_FOR_ONE, Intensity(3, 60.0), [outer])
    await root.start()
    with pytest.raises(ActorCrashed):
        await child.ref.ask(Look(), within=1.0)
    assert await root.failed() == "outer: inner: judge: Fatal in JudgeActor.look: nothing adds up"
    await root.stop()


class BornJudge(JudgeActor):
    async def started(self) -> None:
        raise Fatal("nothing adds up")


async def judge(judges: DynamicSupervisor, child: Child) -> None:
    await judges.start_child(child)
    await child.ref.ask(Look(), within=1.0)


@simulated
@pytest.mark.parametrize("give_up", list(GiveUp))
@pytest.mark.parametrize(("kind", "where"), [(JudgeActor, "look"), (BornJudge, "started")])
async def test_fatal_in_a_dynamic_child(
    give_up: GiveUp, kind: type[JudgeActor], where: str
) -> None:
    """Fatal in a dynamic child, in its start too, makes the whole tree give up at once."""
    judges, other = DynamicSupervisor("judges"), Child("other", JudgeActor)
    root = Supervisor("root", Strategy.ONE_FOR_ONE, Intensity(5, 30.0), [judges], give_up=give_up)
    await root.start()
    await judges.start_child(other)
    with pytest.raises((StartFailed, ActorCrashed)):
        await judge(judges, Child("judge", kind))
    place = f"{kind.__name__}.{where}"
    assert await root.failed() == f"judges: judge: Fatal in {place}: nothing adds up"
    assert await other.ref.down()
    await root.stop()
