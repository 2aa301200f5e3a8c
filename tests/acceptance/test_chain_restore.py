"""A backup older than the newest anchor: the gateway writes nothing until an operator decides, but
gives proofs.
"""

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rendertrust.proof_check import read_epochs, read_shown, read_witness, verify
from tests.acceptance.test_backup import run_program
from tests.support.engines import engine_folder
from tests.support.gateway_process import PATIENT, ForkedGateway, Gateway, none_alive_in
from tests.support.proof_readers import Person, holds
from tests.support.until import until

Json = dict[str, Any]
pytestmark = pytest.mark.heavy
SETTINGS = {
    "RENDERTRUST_CHAIN_URL": "embedded",
    "RENDERTRUST_CHAIN_ANCHOR_SECONDS": "0",
    "RENDERTRUST_PROOF_CHECKPOINT_SECONDS": "0.2",
    **PATIENT,
}


async def entry_of(person: Person) -> int:
    _, history = await person.call("GET", "/credits/history")
    return int(history["entries"][0]["entry_id"])


async def verified(person: Person, entry: int) -> Json:
    """Wait until the entry is verified on the chain, and return its verification."""

    async def done() -> Json | None:
        status, found = await person.call("GET", f"/ledger/{entry}/verify")
        assert status in (200, 503), found
        return found if status == 200 and found["verified"] else None

    found = await until(done)
    assert found is not None
    return found


async def proof_of(person: Person, entry: int) -> Json:
    async def proved() -> Json | None:
        status, proof = await person.call("GET", f"/ledger/{entry}/proof")
        return proof if status == 200 and holds(proof) else None

    found = await until(proved)
    assert found is not None
    return found


async def newest(http: aiohttp.ClientSession, gateway: Gateway) -> Json:
    async with http.get(f"{gateway.url}/api/v1/ledger/checkpoint") as answer:
        found: Json = await answer.json()
        return found


async def ready(http: aiohttp.ClientSession, gateway: Gateway) -> Json:
    async with http.get(f"{gateway.url}/api/v1/health/ready") as answer:
        found: Json = await answer.json()
        return found


async def register_user(http: aiohttp.ClientSession, gateway: Gateway) -> Person:
    """Register a user; repeat the request, because the gateway refuses it for a second after a
    halt.
    """
    person = Person(http, gateway.url)
    await person.register()
    return person


async def check_writes_are_refused(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    """Check that registrations are refused with the reason, while the gateway still answers
    reads.
    """

    async def told() -> bool:
        found = await ready(http, gateway)
        halted = (found["log"] or {}).get("halted") or ""
        return "chain reopen" in halted and found["status"] == "degraded"

    await until(told)
    body = {"email": "late@example.org", "name": "L", "password": "securepassword123"}
    async with http.post(f"{gateway.url}/api/v1/auth/register", json=body) as answer:
        problem = await answer.json()
        assert (answer.status, answer.headers["Retry-After"]) == (503, "60")
        assert "rendertrust chain reopen" in problem["detail"]


async def test_a_database_older_than_its_anchors_writes_nothing_until_it_is_reopened(
    http: aiohttp.ClientSession,
) -> None:
    with engine_folder() as folder:
        gateway = ForkedGateway(folder / "data", **SETTINGS)
        gateway.data.parent.mkdir(parents=True, exist_ok=True)
        file, where = folder / "backup", ("--data", gateway.data)
        await gateway.start()
        early = await register_user(http, gateway)
        before = await entry_of(early)
        await verified(early, before)
        old_proof, pinned = await proof_of(early, before), await newest(http, gateway)
        assert (await run_program("backup", file, *where, **SETTINGS))[0] == 0
        gone = await register_user(http, gateway)
        lost = await entry_of(gone)
        await verified(gone, lost)
        lost_proof = await proof_of(gone, lost)
        await gateway.stop()
        code, out, err = await run_program("restore", file, *where, "--replace", **SETTINGS)
        assert code == 0, (out, err)
        await gateway.start()
        try:
            await check_writes_are_refused(http, gateway)
            assert (await early.call("GET", "/credits/balance"))[0] == 200
            assert holds((await early.call("GET", f"/ledger/{before}/proof"))[1])
            code, said = await gateway.fsck()
            assert (code, "I12 chain" in said) == (1, True), said
            await status_says(gateway, agrees=False)
            await reopen_log(gateway)
            after = await register_user(http, gateway)
            fresh = await entry_of(after)
            await verified(after, fresh)
            await verified(early, before)
            code, said = await gateway.fsck()
            assert code == 0, said
            await status_says(gateway, agrees=True)
            await check_old_checkpoint(http, gateway, pinned, old_proof, lost_proof)
            for person, entry in ((early, before), (after, fresh)):
                await verify_alone(gateway, folder, await proof_of(person, entry))
        finally:
            await gateway.stop()
        await none_alive_in(gateway.data)


async def status_says(gateway: Gateway, *, agrees: bool) -> None:
    code, out, err = await run_program(
        "chain", "status", "--data", gateway.data, "--json", **SETTINGS
    )
    assert (code, bool(out)) == (0 if agrees else 1, True), err
    found = json.loads(out)
    assert (found["agrees"], found["halted"] is None) == (agrees, agrees), found


async def reopen_log(gateway: Gateway) -> None:
    """Reopen the log, which needs a reason, and check what is reported as lost."""
    words = ("chain", "reopen", "--data", gateway.data, "--json")
    code, out, _ = await run_program(*words, **SETTINGS)
    assert (code, "--reason" in out) == (2, True)
    code, out, err = await run_program(*words, "--reason", "the disk died", "--yes", **SETTINGS)
    assert code == 0, (out, err)
    found = json.loads(out)
    assert (found["epoch"], found["lost"] > 0) == (2, True), found
    assert found["size"] > found["leaves"], (
        "the chain has more leaves than the log, and these are left behind"
    )
    code, out, _ = await run_program(*words, "--reason", "again", "--yes", **SETTINGS)
    assert (code, "nothing to reopen" in out) == (1, True), out


async def check_old_checkpoint(
    http: aiohttp.ClientSession,
    gateway: Gateway,
    pinned: Json,
    old_proof: Json,
    lost_proof: Json,
) -> None:
    """Check that a kept checkpoint links to the new epoch, and that a lost entry's proof is
    refused.
    """
    now = await newest(http, gateway)
    assert now["origin"].startswith(f"{pinned['origin']}/epoch/2-"), now
    query = f"from={pinned['size']}&to={now['size']}"
    async with http.get(f"{gateway.url}/api/v1/ledger/consistency?{query}") as answer:
        shown = read_shown(await answer.json())
    async with http.get(f"{gateway.url}/api/v1/ledger/epochs?size={now['size']}") as answer:
        links = read_epochs(await answer.json())
    witness = read_witness(now)
    assert not isinstance(shown, str)
    assert not isinstance(witness, str)
    assert not isinstance(links, str)
    old = verify(old_proof, witness=witness, shown=[shown], epochs=links)
    assert old.witnessed, old.steps
    lost = verify(lost_proof, witness=witness, shown=[shown], epochs=links)
    assert not lost.holds
    assert "lost in the restore of a backup" in lost.steps[-1].said


async def verify_alone(gateway: Gateway, folder: Path, proof: Json) -> None:
    """Verify the proof without the gateway: the proof holds, but a private chain proves nothing to
    others.
    """
    file = folder / "proof.json"
    file.write_text(json.dumps(proof))
    ports = json.loads((gateway.data / "chain" / "ports").read_text())
    url = f"http://127.0.0.1:{ports['chain']}"
    code, out, err = await run_program("verify", file, "--rpc", url)
    assert code == 3, (out, err)
    assert "ok  anchor" in out, out
    wrong = ("--contract", "0x" + "12" * 20)
    code, out, err = await run_program("verify", file, "--rpc", url, *wrong)
    assert code == 1, (out, err)
