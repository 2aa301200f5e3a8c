"""What ``rendertrust node`` prints about a node."""

from typing import Any

import attrs
import pytest

from rendertrust.cli import node
from rendertrust.cli.node import LoggedInUser, owner_of
from rendertrust.cli.node_status import DRAINED, START, facts, start_of
from rendertrust.node.agent_status import Status
from rendertrust.node.enrolment import Joined

JOINED = Joined(
    node_id="n1",
    name="box",
    url="http://localhost:8000",
    owned=True,
    owner="jane",
    running=False,
    proven=True,
    capabilities=("echo",),
    not_offered={},
)
STATUS = Status(
    node_id="n1",
    name="box",
    url="http://localhost:8000",
    running=True,
    connected=True,
    draining=False,
    pid=1,
    health_port=None,
    capabilities=("echo",),
    not_offered={},
    units=(),
    waiting_results=0,
    version="1",
)
JANE = LoggedInUser("jane", "token")


@pytest.mark.parametrize(
    ("changes", "me", "words"),
    [
        ({}, JANE, "yours"),
        ({"owner": None}, JANE, "yours"),  # the answer does not name the owner
        ({}, LoggedInUser("joe", "token"), "already owned by another user"),
        ({}, None, "owned as before"),
        ({"code_owner": "jane"}, None, "yours"),
        ({"code_owner": "joe"}, None, "already owned by another user"),
        ({"owned": False, "owner": None}, None, "unowned"),
    ],
)
def test_a_joined_node_is_whose_the_gateway_says(
    changes: dict[str, Any], me: LoggedInUser | None, words: str
) -> None:
    assert owner_of(attrs.evolve(JOINED, **changes), me) == words


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "connected"),
        ({"connected": False}, "running, not connected"),
        ({"draining": True}, "stopped after its running units, connected"),
        ({"running": False, "connected": False}, "not running"),
        ({"running": False, "draining": True}, "not running: stopped"),
    ],
)
def test_the_state_says_whether_the_node_drains(changes: dict[str, Any], words: str) -> None:
    assert facts(attrs.evolve(STATUS, **changes))["state"] == words


@pytest.mark.parametrize(
    ("draining", "is_own_wish", "hint"),
    [(False, False, START), (True, True, START), (True, False, DRAINED)],
)
def test_only_a_node_that_the_gateway_drained_is_to_be_released(
    draining: bool, is_own_wish: bool, hint: str
) -> None:
    found = attrs.evolve(STATUS, running=False, draining=draining)
    assert start_of(found, is_own_wish=is_own_wish) == hint


def test_an_unowned_node_is_told_where_its_earnings_are_and_how_to_own_it() -> None:
    assert "kept until somebody claims" in node.UNOWNED
    assert "rendertrust login" in node.UNOWNED
