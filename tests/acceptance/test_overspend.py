"""Many concurrent debits of one account never spend more than the account has."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import aiohttp
import jwt

from rendertrust.money import render
from tests.support.api_clients import Creator, PlainNode
from tests.support.gateway_process import Gateway

ADMIN, PASSWORD = "ada@example.org", "an admin's password"


async def admin(gateway: Gateway, http: aiohttp.ClientSession) -> Creator:
    who = ("--email", ADMIN, "--name", "Ada", "--password-stdin")
    code, said = await gateway.run("admin", "create", *who, told=f"{PASSWORD}\n")
    assert code == 0, said
    person = Creator(http, gateway.url, ADMIN)
    body = {"email": ADMIN, "password": PASSWORD}
    status, tokens = await person.call("POST", "/auth/login", body)
    assert status == 200, tokens
    person.token = tokens["access_token"]
    return person


async def test_of_32_concurrent_dispatches_against_credits_for_10_exactly_10_are_accepted(
    gateway: Gateway, creator: Creator, make_node: Callable[..., Awaitable[PlainNode]]
) -> None:
    await make_node("render")
    answers = await asyncio.gather(*(creator.dispatch("render") for _ in range(32)))
    assert Counter(status for status, _ in answers) == {200: 10, 402: 22}
    for status, body in answers:
        if status == 402:
            assert body["requested"] == "10.0000"
            assert body["available"] == "0.0000"
            assert body["detail"]
    _, balance = await creator.call("GET", "/credits/balance")
    assert balance["balance"] == "100.0000"
    assert (balance["held"], balance["available"]) == ("100.0000", "0.0000")
    code, said = await gateway.fsck()
    assert code == 0, said


async def test_of_40_debits_at_once_ten_times_over_exactly_what_is_there_is_spent(
    gateway: Gateway, http: aiohttp.ClientSession, creator: Creator
) -> None:
    """Each round first reduces the balance to an amount that covers a known number of the 40
    debits.
    """
    ada, left = await admin(gateway, http), 1_000_000
    jane = jwt.decode(creator.token, options={"verify_signature": False})["sub"]
    for round_ in range(10):
        # amount of a debit, and the number of debits that the balance covers
        debit, wanted = 10_000 + 37 * round_, 7 + 3 * round_
        reduce = {"amount": render(left - debit * wanted - round_), "reference_id": f"left{round_}"}
        status, _ = await creator.call("POST", "/credits/deduct", reduce)
        assert status == 200
        orders = [{"amount": render(debit), "reference_id": f"{round_}.{n}"} for n in range(40)]
        answers = await asyncio.gather(
            *(creator.call("POST", "/credits/deduct", order) for order in orders)
        )
        assert Counter(status for status, _ in answers) == {200: wanted, 402: 40 - wanted}
        after = {body["balance_after"] for status, body in answers if status == 200}
        assert after == {render(round_ + debit * n) for n in range(wanted)}
        _, balance = await creator.call("GET", "/credits/balance")
        assert balance["balance"] == balance["available"] == render(round_)
        gift = {"user_id": jane, "amount": "100", "reason": "the next round"}
        status, said = await ada.call("POST", "/admin/credits/grant", gift)
        assert status == 200, said
        left = round_ + 1_000_000
    code, said = await gateway.fsck()
    assert code == 0, said
