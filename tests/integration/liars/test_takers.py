"""Creators who download a delivered frame and try not to pay: they pay if the frame is valid."""

from typing import Any
from uuid import UUID

import pytest

from rendertrust.protocol import Ack
from rendertrust.receipt_check import verify_receipt
from tests.integration.liars.test_liars import CONTENT, EXACT, OFF, WITHIN, Farm, delivers, farm
from tests.support.proof_readers import Person
from tests.support.until import until
from tests.twins.objects import TwinObjects

__all__ = ["farm"]
REASON = {"reason": "the account is closed"}


async def deactivate_jane(farm: Farm, admin: Person) -> str:
    """Deactivate Jane's account, wait until she is locked out, and return its id."""
    _, found = await admin.answered("GET", f"/admin/users?search={farm.jane.email}")
    [user] = found["users"]
    status, account = await admin.answered("POST", f"/admin/users/{user['id']}/deactivate", REASON)
    assert (status, account["is_active"]) == (200, False)

    async def is_out() -> bool:
        return (await farm.jane.answered("GET", "/credits/balance"))[0] == 401

    await until(is_out, within=WITHIN)
    return str(user["id"])


async def administrator(farm: Farm) -> Person:
    admin = await farm.operator("ann")
    await farm.owner.execute("UPDATE users SET role = 'admin' WHERE email = $1", admin.email)
    await admin.register()  # logs in with the new role
    return admin


async def take_picture(farm: Farm, job: str) -> None:
    """Download the picture before any check; the job has no result yet."""
    objects, unit = farm.gateway.gateway.ports.objects, await farm.unit(job)
    assert (unit["state"], unit["charged"]) == ("VERIFYING", "0.0000")
    assert isinstance(objects, TwinObjects)
    answer = await objects.request("GET", unit["download_url"])
    assert (answer.status, answer.body) == (200, CONTENT)
    _, shown = await farm.jane.answered("GET", f"/jobs/{job}")
    assert (shown["status"], shown["progress"]) == ("RUNNING", 1.0)
    assert (await farm.jane.answered("GET", f"/jobs/{job}/result"))[0] == 404


async def try_everything(farm: Farm, job: str, admin: Person) -> None:
    """Try everything by which the creator, or an admin for them, could get the credits back."""
    jane = farm.jane
    for method, path, body, refused in (
        ("POST", f"/jobs/{job}/cancel", None, 400),
        ("PATCH", f"/jobs/{job}", {"max_credits": "0.0001"}, 409),
        # the unit has not failed, so nothing changes
        ("POST", f"/jobs/{job}/units/0/retry", None, 200),
        ("POST", f"/jobs/{job}/retry", None, 409),
        ("POST", f"/jobs/{job}/units/0/dispute", {"reason": "it is black"}, 409),
        ("POST", f"/jobs/{job}/stop", None, 200),
    ):
        status, answer = await jane.answered(method, path, body)
        assert status == refused, (path, answer)
    status, _ = await admin.answered("POST", f"/admin/jobs/{job}/cancel", REASON)
    assert status == 400
    status, _ = await admin.answered("POST", f"/admin/jobs/{job}/retry", REASON)
    assert status == 409


@pytest.mark.parametrize("is_valid", [True, False], ids=["valid", "invalid"])
async def test_who_takes_the_picture_and_leaves_pays_if_it_is_valid(
    farm: Farm, is_valid: bool
) -> None:
    admin, node = await administrator(farm), await farm.liar(delivers)
    job = await farm.place()
    await node.next(Ack, within=WITHIN)
    await take_picture(farm, job)
    await try_everything(farm, job, admin)
    user = await deactivate_jane(farm, admin)
    name = f"user:{user}"
    account = "SELECT balance, held FROM accounts WHERE name = $1"
    assert tuple(await farm.owner.fetchrow(account, name) or ()) == (1_000_000, 100_000)
    await farm.verifier(EXACT if is_valid else OFF)

    async def ended() -> Any:
        row = await farm.owner.fetchrow("SELECT * FROM units WHERE job_id = $1", UUID(job))
        return row if row is not None and row["ended_at"] else None

    unit = await until(ended, within=WITHIN)
    assert unit["state"] == ("COMPLETED" if is_valid else "CANCELLED")
    charge = 100_000 if is_valid else 0
    assert tuple(await farm.owner.fetchrow(account, name) or ()) == (1_000_000 - charge, 0)
    assert await farm.earned() == (70_000 if is_valid else 0)
    eve = farm.operators["eve"]
    status, document = await eve.answered("GET", f"/jobs/{job}/units/0/receipt")
    assert status == (200 if is_valid else 404)
    if is_valid:
        assert (document["receipt"]["price"], document["receipt"]["verdict"]) == (100_000, "exact")
        assert verify_receipt(document).holds
    await farm.sound()
