"""Model test of refresh token families: any token presented at any time, on a real database."""

from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from sql.login_sessions import GRACE, LoginState, Sessions, TokenFamily
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.hand_time import HAND_TIME, HandDatabase
from tests.integration.conformance.stage import HandClock
from tests.support.databases import execute, with_database
from tests.support.engines import LoopThread
from tests.support.examples import examples

T = TypeVar("T")
START = datetime(2026, 3, 13, 12, tzinfo=UTC)
LIFE = timedelta(days=7)
HASH = "$argon2id$…"


@attrs.define
class Model:
    """Expected state of a family: the valid token, the times when tokens were spent, and
    ``ended``.
    """

    current: UUID
    expires: datetime
    spent: dict[UUID, datetime] = attrs.field(factory=dict[UUID, datetime])
    ended: bool = False


class Families(RuleBasedStateMachine):
    """One login: time passes, and old and new tokens are presented, one by one and together."""

    run_on: LoopThread
    clock: HandClock  # also sets the database's time
    sessions: Sessions
    user: UUID

    def __init__(self) -> None:
        super().__init__()
        self.clock.time = START
        self.sid = uuid4()
        self.model = Model(uuid4(), START + LIFE)
        family = TokenFamily(self.sid, self.model.current, self.model.expires)
        opened = self.do(self.sessions.open(LoginState(self.user, HASH, "user"), family, self.now))
        assert opened

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.run_on.run(work)

    def present(self, jti: UUID) -> bool:
        """Present a token as the route does: rotate it, or else check it for reuse."""
        fresh = TokenFamily(self.sid, uuid4(), self.now + LIFE)
        if self.do(self.sessions.rotate(fresh, jti, self.now)):
            self.model.spent[jti] = self.now
            self.model.current, self.model.expires = fresh.jti, fresh.expires_at
            return True
        ended = self.do(self.sessions.reused(self.sid, jti, self.now))
        late = jti in self.model.spent and self.now - self.model.spent[jti] > GRACE
        assert ended == (late and not self.model.ended)
        self.model.ended |= ended
        return False

    @rule(seconds=st.sampled_from([0, 1, 9, 10, 11, 60, 3600]))
    def time_goes_on(self, seconds: int) -> None:
        self.clock.pass_by(seconds)

    @rule()
    def a_week_goes_by(self) -> None:
        self.clock.pass_by(LIFE.total_seconds())

    @rule()
    def the_newest_token_comes(self) -> None:
        good = not self.model.ended and self.now < self.model.expires
        assert self.present(self.model.current) == good

    @precondition(lambda self: self.model.spent)
    @rule(data=st.data())
    def an_old_token_comes(self, data: st.DataObject) -> None:
        assert not self.present(data.draw(st.sampled_from(sorted(self.model.spent))))

    @rule()
    def the_user_logs_out(self) -> None:
        open_ = not self.model.ended and self.now < self.model.expires
        assert self.do(self.sessions.end(self.sid, self.user, self.now)) == open_
        self.model.ended |= open_

    @invariant()
    def it_is_listed_while_it_is_open(self) -> None:
        page = self.do(self.sessions.page(self.user, self.now, 100, 0))
        open_ = not self.model.ended and self.now < self.model.expires
        assert (self.sid in {row.sid for row in page}) == open_

    def teardown(self) -> None:
        if not self.model.ended:
            self.do(self.sessions.end(self.sid, self.user, min(self.now, self.model.expires)))


def test_a_family_does_what_the_model_says(
    engine_loop: LoopThread, postgres_endpoint: PostgresEndpoint, database_template: str
) -> None:
    name, user = "families", uuid4()
    owner = postgres_endpoint.owner_dsn
    engine_loop.run(execute(owner, f"CREATE DATABASE {name} TEMPLATE {database_template}"))
    there = with_database(owner, name)
    engine_loop.run(execute(there, HAND_TIME))
    pool = HandDatabase(lambda: there)
    insert = "INSERT INTO users (id, email, name, password_hash)"
    engine_loop.run(execute(there, f"{insert} VALUES ('{user}', 'a@example.org', 'A', '{HASH}')"))
    machine = type(
        "Here",
        (Families,),
        {
            "run_on": engine_loop,
            "clock": pool.clock,
            "sessions": Sessions(pool),
            "user": user,
        },
    )
    try:
        run_state_machine_as_test(machine, settings=examples(0.4, stateful_step_count=20))
    finally:
        engine_loop.run(pool.close())
        engine_loop.run(execute(owner, f"DROP DATABASE {name} WITH (FORCE)"))
