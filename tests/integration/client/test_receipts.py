"""Receipts in the client and the program: downloaded, written and verified without a gateway."""

import json

import pytest
from aiohttp import web

from rendertrust.client import AsyncClient, NotProved, Tokens
from tests.integration.client.conftest import Program
from tests.integration.client.double import GatewayDouble
from tests.unit.proof.receipts import DONE, PICTURE, RECEIPT, file_of

ROUTE = f"GET /api/v1/jobs/{DONE.job}/receipt"
WITNESS = {
    "checkpoint": file_of()["proof"]["checkpoint"],
    "verifier": file_of()["proof"]["verifier"],
}
CHAIN = dict.fromkeys(
    ("anchor_tx_hash", "block_number", "chain_id", "contract", "anchor", "opening")
)


def receipt_answer() -> dict[str, object]:
    """Return a receipt as a gateway answers it."""
    document = file_of()
    return {**document, "proof": {**document["proof"], **CHAIN}}


@pytest.fixture
def client(gateway: GatewayDouble) -> AsyncClient:
    return AsyncClient(gateway.url, tokens=Tokens("access-1", "refresh-1"))


async def test_a_receipt_is_fetched_and_verified(
    client: AsyncClient, gateway: GatewayDouble
) -> None:
    gateway.script(ROUTE, lambda _: web.json_response(receipt_answer()))
    async with client:
        found = await client.receipt(DONE.job)
    assert found.receipt == RECEIPT
    assert found.proof is not None
    assert found.proof.entry_id == found.entry_id == 41


async def test_one_that_does_not_hold_is_refused(
    client: AsyncClient, gateway: GatewayDouble
) -> None:
    forged = {**receipt_answer(), "receipt": {**RECEIPT, "price": 1}}
    other = ROUTE.replace(DONE.job[:8], "00000000")
    gateway.script(ROUTE, lambda _: web.json_response(forged))
    gateway.script(other, lambda _: web.json_response(receipt_answer()))
    async with client:
        with pytest.raises(NotProved, match="gateway"):
            await client.receipt(DONE.job)
        with pytest.raises(NotProved, match="another job"):
            await client.receipt("00000000" + DONE.job[8:])


async def test_the_program_writes_what_it_checks(jane: Program, gateway: GatewayDouble) -> None:
    gateway.script(ROUTE, lambda _: web.json_response(receipt_answer()))
    told = await jane.run("jobs", "receipt", DONE.job, "--out", "receipt.json")
    assert told.code == 0, told.err
    folder = jane.home
    (folder / "frame.png").write_bytes(PICTURE)
    (folder / "mine.json").write_text(json.dumps(WITNESS))
    (folder / "other.png").write_bytes(PICTURE[:-1])
    alone = await jane.run("verify", "receipt.json", "frame.png", "--url", "http://127.0.0.1:9")
    assert alone.code == 3, alone.err
    for step in ("node", "gateway", "file", "pixels", "entry", "leaf", "inclusion", "checkpoint"):
        assert f"ok  {step}" in alone.out
    known = await jane.run("verify", "receipt.json", "frame.png", "--checkpoint", "mine.json")
    assert known.code == 0, known.err
    bad = await jane.run("verify", "receipt.json", "other.png", "--checkpoint", "mine.json")
    assert bad.code == 1
    assert "NO  file" in bad.out


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"signature": "00" * 64}, "NO  gateway"),
        ({"receipt": {**RECEIPT, "node_signature": "00" * 64}}, "NO  node"),
        ({"entry_id": 43}, "NO  entry"),
        ({"format": "rendertrust-receipt-file-v2"}, "NO  form"),
        ({"receipt": {**RECEIPT, "verdict": "perfect"}}, "NO  form"),
    ],
)
async def test_what_differs_is_said(program: Program, change: dict[str, object], says: str) -> None:
    path = program.home / "receipt.json"
    path.write_text(json.dumps({**file_of(), **change}))
    told = await program.run("verify", "receipt.json")
    assert told.code == 1
    assert says in told.out


async def test_one_picture_goes_with_one_receipt(program: Program) -> None:
    folder = program.home
    for name in ("a.json", "b.json"):
        (folder / name).write_text(json.dumps(file_of()))
    (folder / "frame.png").write_bytes(PICTURE)
    both = await program.run("verify", "a.json", "b.json")
    assert both.code == 3, both.err
    told = await program.run("verify", "a.json", "b.json", "frame.png")
    assert told.code == 2
    assert "one receipt" in told.err
