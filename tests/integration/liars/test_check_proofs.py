"""What a check earned leads to the proof of its entry, as what a render earned does."""

import json
import re
from pathlib import Path
from typing import Any

import aiohttp

from rendertrust.cli import exit_codes
from rendertrust.node.state import Enrolment, StateFolder
from tests.integration.client.conftest import Program
from tests.integration.console.people import OWN
from tests.integration.liars.test_liars import EXACT, Farm, delivers, farm
from tests.support.proof_readers import Person, holds

__all__ = ["farm"]


async def program_of(farm: Farm, person: Person, home: Path) -> Program:
    """The program, logged in as somebody."""
    program = Program(farm.gateway.url, home)
    words = ("login", person.email, "--password-stdin")
    told = await program.run(*words, typed="a long password\n")
    assert told.code == 0, told
    return program


async def share_of(person: Person) -> Any:
    _, found = await person.call("GET", "/operators/me/earnings")
    [share] = found["earnings"]
    return share


async def test_an_operator_proves_offline_what_a_check_earned_him(
    farm: Farm, tmp_path: Path
) -> None:
    await farm.liar(delivers)
    checker = await farm.checker("olga", EXACT)
    await farm.ends(await farm.place())
    program = await program_of(farm, farm.operators["olga"], tmp_path)
    [share] = (await program.run("earnings", "list", "--json")).document["earnings"]
    assert (share["work"], share["receipt_path"]) == ("check", None)
    number, path = share["entry_id"], share["proof_path"]
    assert path == f"/api/v1/ledger/{number}/proof"
    rows = [line.split("\t") for line in (await program.run("earnings")).out.splitlines()]
    assert dict(zip(rows[0], rows[1], strict=True))["ENTRY"] == str(number)

    state = tmp_path / "state"
    node = Enrolment(url=farm.gateway.url, node_id=share["node_id"], name="box", token="t")
    assert share["node_id"] == str(checker.node_id)
    StateFolder(state).enrol(node)
    told = await program.run("node", "earnings", "--state", str(state), "--json")
    [shown] = told.document["earnings"]
    assert shown["proof_url"] == farm.gateway.url + path

    kept, proof = tmp_path / "log.json", tmp_path / "proof.json"
    words = ("ledger", "proof", str(number), "--opening", "--out", str(proof))
    assert (await program.run(*words)).code == 0
    assert (await program.run("ledger", "checkpoint", "--out", str(kept))).code == 0
    told = await program.run("verify", str(proof), "--checkpoint", str(kept))
    assert told.code == exit_codes.OK, told
    document = json.loads(proof.read_text())
    assert "kind CHECK\namount 5000\n" in document["leaf"]
    assert f"check:{share['job_id']}:0:1" in document["opening"]["private"]

    bits = bytearray(proof.read_bytes())
    bits[bits.index(b"amount 5000") + 7] ^= 1
    proof.write_bytes(bits)
    told = await program.run("verify", str(proof), "--checkpoint", str(kept))
    assert (told.code, "DOES NOT HOLD" in told.out) == (exit_codes.FAILURE, True)
    await farm.sound()


async def test_each_share_leads_to_a_proof_that_its_operator_alone_may_read(farm: Farm) -> None:
    await farm.liar(delivers)
    await farm.checker("olga", EXACT)
    await farm.ends(await farm.place())
    olga, eve = farm.operators["olga"], farm.operators["eve"]
    for person, other, kind in ((olga, eve, "CHECK"), (eve, olga, "EARNING")):
        share = await share_of(person)
        path = share["proof_path"].removeprefix("/api/v1")
        status, found = await person.call("GET", path)
        assert (status, found["entry_id"]) == (200, share["entry_id"])
        assert f"kind {kind}\n" in found["leaf"]
        for stranger in (other, farm.jane):
            assert (await stranger.call("GET", path))[0] == 404


async def test_the_page_of_a_node_leads_to_the_proof_of_a_check_and_of_a_render(
    farm: Farm,
) -> None:
    node = await farm.liar(delivers)
    checker = await farm.checker("olga", EXACT)
    job = await farm.place()
    await farm.ends(job)
    for name, of, has_receipt in (("olga", checker, False), ("eve", node, True)):
        person, url = farm.operators[name], farm.gateway.url
        share = await share_of(person)
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(url, cookie_jar=jar) as browser:
            typed = {"email": person.email, "password": "a long password"}
            await browser.post("/console/sign-in", data=typed, headers=OWN)
            page = await (await browser.get(f"/console/fleet/{of.node_id}")).text()
            [row] = re.findall(rf'<tr data-row id="share-{share["id"]}">.*?</tr>', page)
            assert ("check of" in row) is (name == "olga")
            links = re.findall(r'href="([^"]+)"', row)
            number = share["entry_id"]
            paths = [f"/console/ledger/entry?number={number}", f"/console/proofs/{number}"]
            assert links == paths + [f"/console/receipts/{job}/0"] * has_receipt
            for path in links:
                assert (await browser.get(path)).status == 200, path
            proof = await (await browser.get(paths[1])).json()
            assert holds(proof)
            ledger = await (await browser.get("/console/ledger")).text()
            assert f'job <code title="{job}">' in ledger, "which job it is about"
