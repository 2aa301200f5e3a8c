"""Totals over many children, which never decrease."""

from actors.kernel import State
from supervisors.dynamic_supervisor import DynamicSupervisor
from supervisors.restart_policy import Intensity, Strategy
from supervisors.supervisor import Supervisor
from tests.support.until import until
from tests.unit.supervisors.town import Leave, Say, Town


async def test_totals_keep_what_the_dead_have_done() -> None:
    town, crowd = Town(), DynamicSupervisor("Crowd")
    root = Supervisor("Root", Strategy.ONE_FOR_ONE, Intensity(), [crowd])
    await root.start()
    try:
        refs = [await crowd.start_child(town.house(f"house {n}")) for n in range(3)]
        for ref in refs:
            ref.tell(Say("hello"))
        (reading,) = root.snapshot(brief=True).children
        assert (reading.state, reading.children) == (State.RUNNING, ())
        assert reading.totals is not None
        assert (reading.totals.living, reading.totals.deepest) == (3, 1)
        refs[0].tell(Leave())
        await until(lambda: len(crowd.children()) == 2)
        totals = root.snapshot(brief=True).children[0].totals
        assert totals is not None
        assert (totals.kind, totals.living, totals.handled) == ("HouseActor", 2, 4)
        assert totals.busy > 0
        await crowd.terminate(refs[1])
        refs[1].tell(Say("to nobody"))
        later = root.snapshot(brief=True).children[0].totals
        assert later is not None
        assert later.handled == totals.handled
        assert later.busy >= totals.busy
    finally:
        await root.stop()
