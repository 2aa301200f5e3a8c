"""Acts of creators: spend, submit, cancel, look, buy, upload, dispute, register, log in and out."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from typing import Final

import aiohttp
import attrs
from yarl import URL

from tests.kills.journal import Json, Record
from tests.kills.line import Line, Request
from tests.kills.node import EARNING, result_of
from tests.kills.people import NOT_GOOD, Person

PARKED: Final = "kills-parked"  # jobs of this type wait, as no node can do them
TYPES: Final[Mapping[str, int]] = {"echo": 5, "cpu_benchmark": 3, EARNING: 2}
ELSEWHERE: Final = "s3://elsewhere/input/scene.blend"
SKU: Final = "cred10"
# One in 16 deductions is repeated after its answer; one in 16 jobs is cancelled at once.
REPEATED_OF: Final = 16
KEPT_MOST: Final = 200


@attrs.define
class Creator(Person):
    """A creator, who remembers the newest jobs and payloads."""

    parked: list[str] = attrs.field(factory=list[str])
    jobs: list[str] = attrs.field(factory=list[str])
    earning: list[str] = attrs.field(factory=list[str])
    payloads: list[str] = attrs.field(factory=list[str])


@attrs.define
class Hand:
    """One of several concurrent activities of a creator, with its own random numbers and names."""

    creator: Creator
    chance: Random
    name: str
    number: int = 0

    def next_name(self) -> str:
        """Return a new name for a reference or an idempotency key."""
        self.number += 1
        return f"{self.name}-{self.number}"


async def deduct(hand: Hand) -> None:
    """Deduct credits; at times repeat the request, which must return the same answer."""
    amount = f"{hand.chance.randrange(1, 30_000) / 10_000:.4f}"
    body = {"amount": amount, "reference_id": hand.next_name(), "description": "kills"}
    key = hand.next_name() if hand.chance.random() < 0.5 else ""
    request = Request("POST", "/credits/deduct", body, key)
    answer = await hand.creator.do("deduct", request)
    if hand.chance.randrange(REPEATED_OF) == 0:
        again = await hand.creator.do("deduct", request)
        if again.body != answer.body:
            hand.creator.shared.wrong.append(f"asked again: {again.body} instead of {answer.body}")


async def dispatch(hand: Hand) -> None:
    """Submit a job that a node can do at once."""
    (kind,) = hand.chance.choices(list(TYPES), list(TYPES.values()))
    job = await submit(hand, kind, ELSEWHERE, queue=hand.chance.random() < 0.5)
    if job is None:
        return
    keep(hand.creator.jobs, job)
    if kind == EARNING:
        keep(hand.creator.earning, job)
    if hand.chance.randrange(REPEATED_OF) == 0:  # the job has mostly begun by then
        await cancel_job(hand, job)


async def park(hand: Hand) -> None:
    """Submit a job that no node can do, so that it holds its price across kills."""
    job = await submit(hand, PARKED, ELSEWHERE, queue=True)
    if job is not None:
        hand.creator.parked.append(job)


async def cancel(hand: Hand) -> None:
    """Cancel a parked job, or park a job if no job is parked."""
    parked = hand.creator.parked
    if not parked:
        await park(hand)
        return
    await cancel_job(hand, parked.pop(hand.chance.randrange(len(parked))))


async def cancel_job(hand: Hand, job: str) -> None:
    """Cancel a job; 400 means that it has begun or that an unanswered try has cancelled it."""
    request = Request("POST", f"/jobs/{job}/cancel")
    answer = await hand.creator.do("cancel", request, (400,))
    if not answer.is_good and answer.tries > 1:
        record = Record("perhaps", hand.creator.email, {"job": job}, {}, counts=False)
        hand.creator.shared.journal.note(record)


async def look_at_a_job(hand: Hand) -> None:
    """Record a job's status, which later must not return to an earlier status."""
    if hand.creator.jobs:
        await hand.creator.look(f"/jobs/{hand.chance.choice(hand.creator.jobs)}", "job")


async def look_at_the_history(hand: Hand) -> None:
    """Record the newest entries, which must stay in the books."""
    await hand.creator.look("/credits/history?limit=10", "history")


async def upload(hand: Hand) -> None:
    """Upload new content, on which jobs can then work."""
    content = hand.next_name().encode() * hand.chance.randrange(1, 100)
    digest = hashlib.sha256(content).hexdigest()
    body = {"sha256": digest, "size": len(content), "filename": "scene.blend"}
    announced = await hand.creator.do("announce", Request("POST", "/uploads", body))
    if announced.body.get("put") is None:
        return
    path = f"/uploads/{announced.body['id']}/complete"
    for _ in range(100):
        await put(hand, announced.body["put"], content)
        completed = await hand.creator.do("upload", Request("POST", path), (409,))
        if completed.is_good:
            keep(hand.creator.payloads, completed.body["payload_ref"])
            return


async def put(hand: Hand, place: Json, content: bytes) -> None:
    """Try once to put the content; the completion of the upload shows whether it worked."""
    try:
        url = URL(place["url"], encoded=True)
        async with hand.creator.shared.line.http.put(
            url, data=content, headers=place["headers"]
        ) as answer:
            await answer.read()
    except (aiohttp.ClientError, TimeoutError):
        return


async def work_on_an_upload(hand: Hand) -> None:
    """Submit a job with an uploaded input; the node reports a fault if the input has
    other content.
    """
    if not hand.creator.payloads:
        await upload(hand)
        return
    job = await submit(hand, "echo", hand.chance.choice(hand.creator.payloads), queue=True)
    if job is not None:
        keep(hand.creator.jobs, job)


async def buy(hand: Hand) -> None:
    """Begin a purchase of credits; four times in five, also pay for it."""
    request = Request("POST", "/credits/checkout", {"sku": SKU}, hand.next_name())
    begun = await hand.creator.do("checkout", request)
    if begun.is_good and hand.chance.random() < 0.8:
        await pay(hand, begun.body["url"])


async def pay(hand: Hand, url: str) -> None:
    """Pay by card at the Stripe stand-in; 400 means that an earlier try has paid."""
    line = hand.creator.shared.line
    for _ in range(1000):
        try:
            async with line.http.post(f"{url}/card", allow_redirects=False) as answer:
                await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            await line.pause()
            continue
        if answer.status in (303, 400):
            record = Record("paid", hand.creator.email, {"url": url}, {}, counts=False)
            hand.creator.shared.journal.note(record)
        else:
            hand.creator.shared.wrong.append(f"paying was answered with {answer.status}")
        return


async def dispute_a_unit(hand: Hand) -> None:
    """Dispute a paid unit; 404 and 409 mean that it is not done yet, or that it is too late."""
    if not hand.creator.earning:
        return
    job = hand.chance.choice(hand.creator.earning)
    request = Request("POST", f"/jobs/{job}/units/0/dispute", {"reason": "it is black"})
    await hand.creator.do("dispute", request, (404, 409))


async def fetch(hand: Hand) -> None:
    """Download a result and check its content; 404 means that the job is not done yet."""
    if not hand.creator.earning:
        return
    job = hand.chance.choice(hand.creator.earning)
    request = Request("GET", f"/jobs/{job}/result")
    answer = await hand.creator.shared.line.ask(request, hand.creator.token)
    if not answer.is_good:
        return
    content = await downloaded_from(hand.creator.shared.line, answer.body["download_url"])
    if content not in (None, result_of(job)):
        hand.creator.shared.wrong.append(f"the result of {job} came as {content!r}")


async def downloaded_from(line: Line, url: str) -> bytes | None:
    """Return what the URL serves; None if the request failed, ``status 404`` for a refusal."""
    try:
        async with line.http.get(URL(url, encoded=True)) as answer:
            content = await answer.read()
    except (aiohttp.ClientError, TimeoutError):
        return None
    if answer.status >= 500:
        return None
    return content if answer.status == 200 else f"status {answer.status}".encode()


async def register_somebody(hand: Hand) -> None:
    """Register a new user, who does nothing else."""
    await Person(hand.creator.shared, f"{hand.next_name()}@example.org").register()


async def log_in_and_out(hand: Hand) -> None:
    """Log in, and half of the time log out; a token that was logged out must stay invalid."""
    tokens = await hand.creator.login()
    if hand.chance.random() < 0.5:
        return
    token, shared = tokens["access_token"], hand.creator.shared
    answer = await shared.line.ask(Request("POST", "/auth/logout"), token)
    if answer.is_good or answer.tries > 1:  # 401 means that an earlier try logged out
        record = Record("logout", hand.creator.email, {"token": token}, {}, answer.is_good)
        shared.journal.note(record)
    else:
        shared.wrong.append(f"{hand.creator.email}: logging out {NOT_GOOD} {answer.status}")


async def make_a_key(hand: Hand) -> None:
    """Create an API key; half of the time, revoke the key."""
    body = {"name": hand.next_name(), "scopes": ["credits:read"]}
    made = await hand.creator.do("key", Request("POST", "/auth/keys", body), (409,))
    if made.is_good and hand.chance.random() < 0.5:
        request = Request("DELETE", f"/auth/keys/{made.body['id']}")
        revoked = await hand.creator.do("unkey", request, (404,))
        if revoked.status == 404 and revoked.tries > 1:  # an earlier try revoked the key
            record = Record("unkey", hand.creator.email, {"path": request.path}, {}, counts=False)
            hand.creator.shared.journal.note(record)


async def submit(hand: Hand, kind: str, payload: str, *, queue: bool) -> str | None:
    """Submit a job and return its id, or None if no node could do it just now."""
    body = {"job_type": kind, "payload_ref": payload, "queue": queue}
    request = Request("POST", "/jobs/dispatch", body, hand.next_name())
    answer = await hand.creator.do("dispatch", request, (400,))
    return answer.body["job_id"] if answer.is_good else None


def keep(names: list[str], name: str) -> None:
    """Append the name, and forget all but the newest names."""
    names.append(name)
    del names[:-KEPT_MOST]


ACTS: Final[Mapping[Callable[[Hand], Awaitable[None]], float]] = {
    deduct: 45,
    dispatch: 30,
    park: 5,
    cancel: 5,
    look_at_a_job: 5,
    look_at_the_history: 3,
    upload: 0.5,
    work_on_an_upload: 2,
    buy: 0.5,
    dispute_a_unit: 1.5,
    fetch: 1,
    log_in_and_out: 0.3,
    register_somebody: 0.3,
    make_a_key: 0.5,
}
