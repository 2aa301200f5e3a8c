"""An actor that fails because something outside failed."""

import pytest

from actors.kernel import Actor, Message, Mishap, handles
from supervisors.child import Child
from supervisors.restart_policy import Intensity, Strategy
from supervisors.supervisor import Supervisor
from tests.unit.simulated_time import simulated


class Guest:
    """Marker of the guest's address."""


class Sit(Message[Guest, None]):
    """Message whose handler raises Mishap."""


class GuestActor(Actor[Guest]):
    @handles(Sit)
    async def sit(self, _: Sit) -> None:
        raise Mishap("the chair\n broke")


@simulated
async def test_a_mishap_is_one_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """An actor that raises Mishap crashes, and the log has its text on one line."""
    child = Child("guest", GuestActor)
    root = Supervisor("root", Strategy.ONE_FOR_ONE, Intensity(0, 60.0), [child])
    await root.start()
    child.ref.tell(Sit())
    reason = await root.failed()
    assert reason.endswith("Mishap in GuestActor.sit: the chair broke")
    (told,) = [record for record in caplog.records if record.name == "actors.kernel.cell"]
    assert told.getMessage() == "guest: Mishap in GuestActor.sit: the chair broke"
    assert told.exc_info is None
    await root.stop()
