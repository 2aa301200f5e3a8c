"""An actor that finds what no restart mends ends the whole tree."""

import pytest

from actors.kernel import Actor, ActorCrashed, Fatal, Message, handles
from supervisors.child import Child
from supervisors.intensity import Intensity
from supervisors.strategy import GiveUp, Strategy
from supervisors.supervisor import Supervisor
from tests.unit.simulated_time import simulated


class Judge:
    """Marker."""


class Look(Message[Judge, None]):
    """Raises."""


class JudgeActor(Actor[Judge]):
    @handles(Look)
    async def look(self, _: Look) -> None:
        raise Fatal("nothing adds up")


@simulated
@pytest.mark.parametrize("give_up", list(GiveUp))
async def test_fatal_passes_every_supervisor(give_up: GiveUp) -> None:
    """Fatal restarts nothing: every supervisor gives up, whatever its policy, with its words."""
    child = Child("judge", JudgeActor)
    inner = Supervisor("inner", Strategy.ONE_FOR_ONE, Intensity(5, 30.0), [child], give_up=give_up)
    outer = Supervisor("outer", Strategy.ONE_FOR_ALL, Intensity(5, 30.0), [inner], give_up=give_up)
    root = Supervisor("root", Strategy.REST_FOR_ONE, Intensity(3, 60.0), [outer])
    await root.start()
    with pytest.raises(ActorCrashed):
        await child.ref.ask(Look(), within=1.0)
    assert await root.failed() == "outer: inner: judge: Fatal in JudgeActor.look: nothing adds up"
    await root.stop()
