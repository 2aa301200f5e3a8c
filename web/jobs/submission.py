"""Submission of jobs, for the API, the console and the gateway's own jobs."""

from typing import Final
from uuid import UUID

from actors.ledger.effects import JobInsert
from actors.scheduler.messages import Dispatch, DispatchOutcome, Scheduler
from sql.job_plan import JobPlan
from web.gateway import Gateway
from web.money.ledger_client import raise_if_unavailable

DISPATCH_SECONDS: Final = 2.0


async def submit_job(
    gateway: Gateway,
    user: UUID,
    plan: JobPlan,
    price_number: int,
    key: tuple[str, bytes] | None = None,
    *,
    job: UUID | None = None,
) -> tuple[Dispatch, DispatchOutcome]:
    """Submit a job; return the request and its outcome. Raises AskFailed, Unavailable.

    ``key``: an idempotency key, with the hash of the request that has this key. ``job``: the id of
    the job; a second submission with the same id makes no second job; None: a new id is drawn.
    """
    id_ = job or gateway.ports.random.uuid()
    dispatch = Dispatch(JobInsert(id_, user, plan, price_number), idempotency=key)
    return dispatch, await ask_scheduler(gateway, dispatch)


async def ask_scheduler(gateway: Gateway, dispatch: Dispatch) -> DispatchOutcome:
    """Ask the Scheduler to dispatch a job; return its answer."""
    scheduler = gateway.registry.ref(Scheduler)
    return raise_if_unavailable(await scheduler.ask(dispatch, within=DISPATCH_SECONDS))
