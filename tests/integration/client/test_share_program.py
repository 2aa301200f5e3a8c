"""``rendertrust share``, and ids of other people and things by their beginnings."""

from typing import Any

import pytest

from rendertrust.api.events import Delivery, Hook
from rendertrust.cli import exit_codes
from tests.integration.client.conftest import Program
from tests.integration.client.double import NOW, GatewayDouble, refuse
from tests.integration.client.test_own_account import answering
from tests.support.answers import whole

LINKS = "/api/v1/share-links"
ONE, TWO = (f"5f0b7c1e-2d3a-4b9f-8c6d-1e2f3a4b5c6{end}" for end in "de")
OTHER = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
LATER = "2026-03-20T12:00:00Z"
ADDRESS = "https://farm.example/console/shared?link=rts_0123456789abcdef0123456789abcdef"


def link(id_: str, job: str = OTHER) -> dict[str, Any]:
    return {"id": id_, "job_id": job, "unit": 0, "created_at": NOW, "expires_at": LATER}


def listed(*ids: str) -> dict[str, Any]:
    return {"links": [link(id_) for id_ in ids], "count": len(ids)}


async def test_a_link_is_made_listed_and_revoked(jane: Program, gateway: GatewayDouble) -> None:
    job, seen = gateway.add_job("COMPLETED"), list[Any]()
    gateway.add_units(job, b"a picture")
    path = f"POST /api/v1/jobs/{job}/units/0/share-links"
    gateway.script(path, answering({**link(ONE, job), "link": ADDRESS}, seen))
    told = await jane.run("share", "create", job[:8], "--days", "30")
    assert (told.code, told.out, seen) == (0, f"{ADDRESS}\n", [{"days": 30}])
    assert f"rendertrust share revoke {ONE}" in told.err
    gateway.script(f"GET {LINKS}", *3 * [answering(listed(ONE, OTHER))])
    told = await jane.run("share", "list")
    assert told.out.splitlines()[1].split("\t")[:3] == [ONE, OTHER, "0"]
    assert (await jane.run("share", "list", "--json")).document["count"] == 2
    gateway.script(f"DELETE {LINKS}/{ONE}", answering({"message": "x"}))
    told = await jane.run("share", "revoke", ONE[:8])
    assert (told.code, told.out) == (0, f"Revoked {ONE}.\n")


async def test_one_of_several_pictures_is_named(jane: Program, gateway: GatewayDouble) -> None:
    job, seen = gateway.add_job("COMPLETED"), list[Any]()
    gateway.add_units(job, b"one", b"two")
    told = await jane.run("share", "create", job)
    assert (told.code, told.out) == (exit_codes.USAGE, "")
    assert "give --frame or --unit" in told.err
    path = f"POST /api/v1/jobs/{job}/units/1/share-links"
    gateway.script(path, *2 * [answering({**link(ONE, job), "link": ADDRESS}, seen)])
    for named in (("--unit", "1"), ("--frame", "2")):
        assert (await jane.run("share", "create", job, *named)).code == 0


async def test_an_ambiguous_link_lists_the_candidates(
    jane: Program, gateway: GatewayDouble
) -> None:
    gateway.script(f"GET {LINKS}", answering(listed(ONE, TWO)))
    told = await jane.run("share", "revoke", ONE[:8])
    assert told.code == exit_codes.USAGE
    assert f"{ONE}  job {OTHER}, unit 0" in told.err
    assert TWO in told.err


@pytest.mark.parametrize(
    ("status", "code", "hint"),
    [
        (403, "sharing_off", "sharing.enabled"),
        (409, "picture_not_shareable", "rendertrust jobs units"),
        (409, "too_many_share_links", "rendertrust share list"),
    ],
)
async def test_a_refusal_says_what_helps(
    jane: Program, gateway: GatewayDouble, status: int, code: str, hint: str
) -> None:
    job = gateway.add_job("COMPLETED")
    gateway.add_units(job, b"a picture")
    path = f"POST /api/v1/jobs/{job}/units/0/share-links"
    gateway.script(path, refuse(status, "no", code=code))
    told = await jane.run("share", "create", job)
    assert (told.code, hint in told.err) == (exit_codes.FAILURE, True)


async def test_people_and_deliveries_are_named_by_beginnings(
    jane: Program, gateway: GatewayDouble
) -> None:
    people = [{"user_id": ONE, "email": "bob@example.org", "since": NOW, "name": ""}]
    gateway.script("GET /api/v1/trusted", answering({"trusted": people}))
    gateway.script(f"DELETE /api/v1/trusted/{ONE}", answering({"message": "x"}))
    assert (await jane.run("trusted", "remove", ONE[:6])).code == 0
    own = {"id": OTHER, "name": "Studio", "role": "owner", "joined": True}
    own |= {"members": 2, "nodes": 0, "created_at": NOW}
    member = {"user_id": TWO, "email": "bob@example.org", "name": "Bob", "role": "member"}
    member |= {"invited_at": NOW, "joined_at": NOW}
    page = {**own, "members": [member], "nodes": []}
    gateway.script("GET /api/v1/organisations", *2 * [answering({"organisations": [own]})])
    gateway.script(f"GET /api/v1/organisations/{OTHER}", answering(page))
    gateway.script(
        f"DELETE /api/v1/organisations/{OTHER}/members/{TWO}", answering({"message": "x"})
    )
    told = await jane.run("organisations", "remove", OTHER[:8], TWO[:8])
    assert told.code == 0, told
    of_hook = {"id": OTHER, "url": "https://x.example", "types": [], "enabled": True}
    hook = whole(Hook, {**of_hook, "created_at": NOW})
    told_of = {"id": ONE, "job_id": OTHER, "number": 1, "type": "job.failed", "state": "DEAD"}
    told_of |= {"endpoint_id": OTHER, "tries": 3, "answers": []}
    delivery = whole(Delivery, {**told_of, "created_at": NOW, "due_at": NOW})
    gateway.script("GET /api/v1/webhooks/endpoints", answering({"endpoints": [hook]}))
    gateway.script(
        f"GET /api/v1/webhooks/endpoints/{OTHER}/deliveries",
        answering({"deliveries": [delivery], "next": None}),
    )
    gateway.script(f"POST /api/v1/webhooks/deliveries/{ONE}/replay", answering(delivery))
    told = await jane.run("webhooks", "replay", ONE[:8])
    assert told.code == 0, told
