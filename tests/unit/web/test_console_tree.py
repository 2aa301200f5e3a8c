"""The supervision tree as rows and drawings, and its alerts."""

from actors.kernel import Restart, State, Statistics
from supervisors.snapshot import ChildTotals, RestartAllowance, Snapshot
from tests.twins.clock import EPOCH, TwinClock
from tests.unit.simulated_time import simulated
from web.console.alerts import Alert, actors_of
from web.console.console_state import KEPT, ActorHistory
from web.console.pages.actors import ActorsQuery, arranged, charts_of, summary_of
from web.console.tree_rows import branches_of, notes_of


def actor(name: str, *, handled: int = 0, depth: int = 0, state: State = State.RUNNING) -> Snapshot:
    figures = Statistics(
        state, depth, depth + 1, handled, 1.5, 2, "it broke", 3, (0.001,) * 19 + (0.5,), 10
    )
    return Snapshot(name, f"{name.title()}Actor", state, 2, "it broke", figures)


def tree(*actors: Snapshot) -> Snapshot:
    sessions = Snapshot(
        "Nodes",
        "dynamic",
        State.RUNNING,
        0,
        None,
        totals=ChildTotals("NodeSessionActor", 7, 4, 2, 90),
    )
    books = Snapshot(
        *("Books", "one_for_one", State.RUNNING, 0, None, None, actors),
        allowance=RestartAllowance(1, 5, 30.0),
    )
    return Snapshot(
        *("Root", "rest_for_one", State.RUNNING, 0, None, None, (books, sessions)),
        allowance=RestartAllowance(0, 3, 60.0),
    )


def history_of(root: Snapshot) -> ActorHistory:
    return ActorHistory(lambda: root, TwinClock())


@simulated
async def test_rows_are_in_the_order_of_the_tree() -> None:
    root = tree(actor("ledger", handled=5), actor("auditor"))
    log = [
        Restart(70.0, "Books", "ledger", "it broke", 0.0),
        Restart(95.0, "Books", "ledger", "it broke", 0.0),
    ]
    rows = branches_of(root, history_of(root), log, 100.0)
    assert [(row.name, row.level) for row in rows] == [
        ("Root", 0),
        ("Books", 1),
        ("ledger", 2),
        ("auditor", 2),
        ("Nodes", 1),
    ]
    books, ledger, auditor, nodes = rows[1:]
    assert (books.recent, books.allowed, books.within, books.depth) == (1, 5, 30.0, None)
    assert (ledger.recent, ledger.restarts, ledger.p95) == (1, 2, ledger.p95)
    assert (auditor.recent, auditor.p95) == (0, None), "the actor has handled nothing"
    assert (nodes.living, nodes.depth, nodes.kind) == (7, 4, "NodeSession")


@simulated
async def test_rows_are_sorted_and_looked_for() -> None:
    root = tree(actor("ledger", depth=2), actor("auditor", depth=9))
    rows = branches_of(root, history_of(root), (), 0.0)
    assert [r.name for r in arranged(rows, ActorsQuery(sort="-depth"))] == [
        "auditor",
        "Nodes",
        "ledger",
    ]
    assert [r.name for r in arranged(rows, ActorsQuery(q="LEDG"))] == ["ledger"]
    assert arranged(rows, ActorsQuery(sort="nonsense")) == rows
    told = summary_of(rows)
    assert (told["living"], told["fullest"].name, told["dead_letters"]) == (9, "auditor", 6)


@simulated
async def test_a_rate_is_taken_between_readings() -> None:
    clock, handled = TwinClock(), 0
    history = ActorHistory(lambda: tree(actor("ledger", handled=handled)), clock)
    assert history.rate("ledger") is None
    for _ in range(KEPT + 5):
        history.sample()
        clock.skew += 2.0
        handled += 10
    assert history.rate("ledger") == 5.0
    assert len(history.of("ledger")) == KEPT
    drawn = charts_of(history, "ledger")
    assert set(drawn["rate"]["series"][0]["values"]) == {5.0}
    assert drawn["rate_said"] == "Now 5, maximum 5 per second."
    assert charts_of(history, "nobody")["rate"]["at"] == []


@simulated
async def test_what_is_no_part_of_the_tree_any_more_is_forgotten() -> None:
    parts = [actor("ledger"), actor("anchor")]
    history = ActorHistory(lambda: tree(*parts), TwinClock())
    history.sample()
    parts.pop()
    history.sample()
    assert history.of("anchor") == ()
    assert len(history.of("ledger")) == 2


def test_the_restart_log_has_the_time_of_day() -> None:
    notes = notes_of([Restart(70.0, "Books", "ledger", "it broke", None)], 100.0, EPOCH)
    assert (EPOCH - notes[0].at).total_seconds() == 30


def test_what_is_down_or_full_is_an_alert() -> None:
    root = tree(
        actor("ledger", depth=9),
        actor("anchor", state=State.DOWN),
        actor("notifier", state=State.RESTARTING),
        actor("auditor"),
    )
    assert list(actors_of(root)) == [
        Alert("warn", "ledger has 9 messages waiting", "/console/actors"),
        Alert("bad", "anchor is down: it broke", "/console/actors"),
        Alert("warn", "notifier is restarting: it broke", "/console/actors"),
    ]
