"""Metrics of the actors, read from snapshots of the tree."""

from prometheus_client import REGISTRY

from actors.kernel import State, Statistics
from supervisors.snapshot import Snapshot
from web.process.actor_metrics import ActorMetrics


def actor(kind: str, state: State) -> Snapshot:
    figures = Statistics(state, 0, 0, 0, 0.0, 0, None, 0)
    return Snapshot(kind.lower(), f"{kind}Actor", state, 0, None, figures)


def running(kind: str) -> float | None:
    return REGISTRY.get_sample_value("rendertrust_actors", {"actor": kind})


def test_an_actor_that_is_down_or_restarts_is_not_counted_as_running() -> None:
    actors = (
        actor("Ledger", State.RUNNING),
        actor("Courier", State.DOWN),
        actor("Anchor", State.RESTARTING),
    )
    ActorMetrics().show(Snapshot("Root", "rest_for_one", State.RUNNING, 0, None, children=actors))
    assert (running("Ledger"), running("Courier"), running("Anchor")) == (1, 0, 0)
