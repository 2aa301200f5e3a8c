"""Users who earn credits by work that is booked and paid over the HTTP site."""

import secrets
from datetime import timedelta
from uuid import UUID, uuid4

import attrs

from actors.ledger.effects import EarningMature, Effect, UnitComplete, UnitFail
from actors.ledger.messages import Commit, Outcome, Posted
from sql.account_names import SUSPENSE, operator_account
from sql.database import Database
from tests.integration.conformance.stage import dispatch
from tests.integration.web.accounts import PASSWORD, Person, register
from tests.support.http_gateway import Face
from web.money.ledger_client import commit

OVER, WEEK = timedelta(0), timedelta(days=7)
SEPA = {
    "method": "SEPA",
    "account": "DE02 1203 0000 0000 2020 51",
    "currency": "eur",
    "password": PASSWORD,
}


@attrs.frozen
class Earner:
    """A user with a node that works for others."""

    person: Person
    node: UUID

    @property
    def face(self) -> Face:
        return self.person.face

    async def earn(
        self, creator: Person, *, window: timedelta = WEEK, price: int = 100_000
    ) -> UUID:
        """Book a completed job of one unit, which earned 70 % and may be disputed for ``window``;
        return its id.
        """
        return await work(
            self.face, self.node, UUID(self.person.id), creator, window=window, price=price
        )

    async def ripen(self, creator: Person, *, price: int = 100_000) -> UUID:
        """Book a completed job whose earning has matured, and return its id."""
        job = await self.earn(creator, window=OVER, price=price)
        assert isinstance(await do(self.face, EarningMature(job, 0)), Posted)
        return job


async def earner(face: Face, email: str = "otto@example.org") -> Earner:
    """Register a user with a verified node."""
    person = await register(face, email)
    return Earner(person, await verified_node(face, UUID(person.id)))


async def set_usable_account(person: Person) -> None:
    """Set the user's payout account, and let its 72 hours go by."""
    status, kept = await person.ask("PUT", "/api/v1/auth/payout-account", SEPA)
    assert status == 200, kept
    async with person.face.gateway.database.connection() as connection:
        await connection.execute("UPDATE payout_accounts SET usable_at = changed_at")


async def verified_node(face: Face, owner: UUID | None) -> UUID:
    node, database = uuid4(), face.gateway.database
    await _insert_node(database, node, owner)
    return node


async def _insert_node(database: Database, node: UUID, owner: UUID | None) -> None:
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO nodes (id, name, public_key, capabilities, owner_id, verified_at)"
            " VALUES ($1, 'n', $2, '{render}', $3, now())",
            *(node, secrets.token_bytes(32), owner),
        )


async def work(
    face: Face,
    node: UUID,
    owner: UUID | None,
    creator: Person,
    *,
    window: timedelta = WEEK,
    price: int = 100_000,
) -> UUID:
    job = uuid4()
    account = SUSPENSE if owner is None else operator_account(owner)
    done = UnitComplete(
        *(job, 0, 1, node, "x"), verified=True, operator=account, dispute_window=window
    )
    order = dispatch(UUID(creator.id), job, price, 1, node)
    assert isinstance(await commit(face.gateway, order), Posted)
    assert isinstance(await do(face, done), Posted)
    return job


async def do(face: Face, effect: Effect) -> Outcome:
    """Apply one effect through the real Ledger."""
    return await commit(face.gateway, Commit((), (effect,)))


async def fail(face: Face, job: UUID, *units: int, error: str = "no camera") -> None:
    """Let these waiting units fail for good."""
    for unit in units:
        await face.do(UnitFail(job, unit, 0, None, "scene", error))
