"""Checks after a kill: compare what was acknowledged with what the gateway shows."""

import asyncio
from collections import Counter
from random import Random
from typing import Final

import attrs

from supervisors.engines.offline_postgres import kept_endpoint
from tests.kills.checks_of_people import found_of, judge, wait_until_still
from tests.kills.checks_of_the_log import Witness, proof_faults
from tests.kills.creator import downloaded_from
from tests.kills.inspector import Inspector, NotAnswered
from tests.kills.journal import Json
from tests.kills.line import PATIENCE_SECONDS, Line
from tests.kills.memory import Account, Memory
from tests.kills.node import EARNING, result_of
from tests.support.databases import connected, fetch
from tests.support.event_audit import untold
from tests.support.gateway_process import Gateway
from tests.support.until import until

SAMPLE: Final = 3
AT_ONCE: Final = 6
FSCK_SECONDS: Final = 300.0


@attrs.define
class Examiner:
    """Checker that remembers all accounts and logins between rounds; ``admins`` are e-mails."""

    line: Line
    memory: Memory
    chance: Random
    admins: list[str]
    witness: Witness = attrs.field(factory=Witness)
    inspectors: dict[str, Inspector] = attrs.field(factory=dict[str, Inspector])
    seats: asyncio.Semaphore = attrs.field(factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def examine(self, gateway: Gateway) -> list[str]:
        """Return all faults found in the API, in the books and in the events."""
        accounts = list(self.memory.accounts.values())
        found = await asyncio.gather(*(self._seated(account) for account in accounts))
        faults = [*self.memory.contradictions, *(fault for each in found for fault in each)]
        faults += await self._everybodys()
        code, said = await gateway.fsck(FSCK_SECONDS)
        if code != 0:
            faults.append(f"fsck: {said}")
        return faults + await told_faults(gateway)

    async def _seated(self, account: Account) -> list[str]:
        async with self.seats:
            try:
                return await self._person(account)
            except NotAnswered as fault:
                return [str(fault)]

    async def _person(self, account: Account) -> list[str]:
        inspector = await self._inspector(account.email)
        faults = await wait_until_still(inspector, account)
        found = await found_of(inspector)
        faults += judge(account, found, self.memory)
        for entry in self._some(list(found.entries)):
            faults += await proof_faults(inspector, entry)
        for id_, upload in account.uploads.items():
            if await inspector.get(f"/uploads/{id_}") != upload:
                faults.append(f"changed: of {account.email} {upload}")
        for job in self._some([j for j in found.jobs.values() if is_fetchable(j)]):
            faults += await result_faults(inspector, job)
        return faults + await self._logged_out(account)

    async def _inspector(self, email: str) -> Inspector:
        """Return an inspector whose login is from before the kill, or now and then from a new
        login.
        """
        inspector = self.inspectors.setdefault(email, Inspector(self.line, email))
        if not inspector.token or self.chance.randrange(10) == 0:
            await inspector.login()
        return inspector

    def _some(self, rows: list[Json]) -> list[Json]:
        return self.chance.sample(rows, min(SAMPLE, len(rows)))

    async def _logged_out(self, account: Account) -> list[str]:
        faults: list[str] = []
        for token in account.logged_out:
            answer = await Inspector(self.line, account.email, token).ask("/credits/balance")
            if answer.status != 401:
                faults.append(f"lost: {account.email} logged out, and is answered {answer.status}")
        return faults

    async def _everybodys(self) -> list[str]:
        """Return faults in the log and in rows that admins' acts changed."""
        try:
            inspector = await self._inspector(self.admins[0])
            faults = await self._admins_work(inspector)
            return faults + await self.witness.compare(inspector, self.memory.checkpoints)
        except NotAnswered as fault:
            return [str(fault)]

    async def _admins_work(self, inspector: Inspector) -> list[str]:
        memory, faults = self.memory, list[str]()
        prices = await inspector.all("/admin/prices", "history", by="before")
        there = {row["number"]: row for row in prices}
        faults += [f"lost: {row}" for n, row in memory.prices.items() if there.get(n) != row]
        for node, standing in memory.standings.items():
            found = await inspector.get(f"/nodes/{node}")
            if found["standing"] != standing:
                faults.append(f"lost: node {node} is {found['standing']}, and was {standing}")
        for row in await inspector.all("/admin/disputes", "disputes"):
            decided = memory.decided.get(row["id"], row)
            if row["state"] != decided["state"]:
                faults.append(f"lost: {decided}, found {row}")
        records = await inspector.all("/admin/audit", "records", by="before")
        acts = [record["details"].get("reference") for record in records]
        for reference in memory.acts:
            if acts.count(reference) != 1:
                faults.append(f"lost: {acts.count(reference)} records of {reference}")
        return faults


async def told_faults(gateway: Gateway) -> list[str]:
    """Return differences between the jobs and their events in the database."""
    endpoint = kept_endpoint(gateway.data)
    if endpoint is None:
        return ["the database is not where it was"]
    async with connected(endpoint.owner_dsn) as connection:
        found = await untold(connection)
    return [f"{words}: {rows[:3]}" for words, rows in found.items()]


async def verdicts(gateway: Gateway) -> Counter[str]:
    """Return the number of checks by verdict, or by state for checks without a verdict."""
    endpoint = kept_endpoint(gateway.data)
    assert endpoint is not None, "the data folder tells where its database is"
    rows = await fetch(
        endpoint.owner_dsn,
        "SELECT coalesce(verdict, state) AS said, count(*) AS number FROM checks GROUP BY 1",
    )
    return Counter({row["said"]: row["number"] for row in rows})


def is_fetchable(job: Json) -> bool:
    return bool(job["job_type"] == EARNING and job["status"] == "COMPLETED")


async def result_faults(inspector: Inspector, job: Json) -> list[str]:
    """Download a job's result, which was acknowledged; return a fault if its content is wrong."""

    async def told() -> bytes | None:
        url = (await inspector.get(f"/jobs/{job['id']}/result"))["download_url"]
        return await downloaded_from(inspector.line, url)

    content = await until(told, within=PATIENCE_SECONDS)
    if content == result_of(job["id"]):
        return []
    return [f"lost: the result of {job['id']} comes as {content!r}"]
