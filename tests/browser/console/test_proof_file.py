"""A proof saved as one file, in an offline browser: the file checks everything that was signed, bit
by bit.
"""

import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape
from playwright.async_api import Browser, Page, expect

from rendertrust import anchor_note, note
from rendertrust.anchor_note import AnchorNote
from tests.browser.console.kept_proofs import FAILS, HOLDS, Offline, offline
from tests.unit.proof.test_note import KEY, KNOWN_NOTE, VERIFIER
from tests.unit.proof.test_proof_check import MEANT, NO_ANCHOR, flipped
from web.console.assets import sources
from web.console.pages.ledger_entry import SCRIPTS, proof_file
from web.openapi.examples.log import LEDGER_PROOF, VERIFICATION

PROOF: dict[str, Any] = json.loads(json.dumps(LEDGER_PROOF))
CHAIN: dict[str, Any] = json.loads(json.dumps(VERIFICATION))
AT = datetime(2026, 3, 13, 12, 8, tzinfo=UTC)
NO_ED25519 = """
const known = SubtleCrypto.prototype.importKey;
SubtleCrypto.prototype.importKey = function (...asked) {
  if (asked[2].name !== "Ed25519") return known.apply(this, asked);
  return Promise.reject(new DOMException("Unrecognized name.", "NotSupportedError"));
};
"""
PLAIN_HTTP = "Object.defineProperty(Crypto.prototype, 'subtle', { value: undefined });"
# Returns whether the right proof is accepted, and which altered proofs are accepted.
TAKEN = """
async ([script, chain, proof, others]) => {
  const module = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const { checked } = await import(module);
  const holds = async (other) => (await checked({ ...proof, ...other }, chain)).holds;
  const taken = [];
  for (const other of others) if (await holds(other)) taken.push(other);
  return [await holds({}), taken];
}
"""


@asynccontextmanager
async def reading(
    reader: Offline, folder: Path, chain: dict[str, Any] = CHAIN, **changed: Any
) -> AsyncGenerator[Page]:
    """Open the file of a proof with some members changed.

    ``chain`` is the gateway's statement about the chain.
    """
    path = folder / "proof.html"
    shown = {"number": 42, "proof": {**PROOF, **changed}, "chain": chain, "asked_at": AT}
    path.write_text(proof_file(shown))
    await reader.open(path)
    yield reader.page
    await reader.check_asked_nobody(path)


async def said(page: Page, step: str, kind: str) -> str:
    """Wait until a step has this result, and return its text."""
    line = page.locator(f"[data-step={step}]")
    await expect(line).to_have_class(kind)
    return str(await line.text_content())


async def test_both_signatures_are_checked_in_the_file(browser: Browser, tmp_path: Path) -> None:
    async with offline(browser) as reader, reading(reader, tmp_path) as page:
        await expect(page.locator("#verdict")).to_have_text(HOLDS)
        await expect(page.locator("#verdict")).to_contain_text("that the gateway signed")
        assert "signature by the gateway's log key is valid" in await said(
            page, "signature", "done"
        )
        anchored = await said(page, "anchor", "done")
        assert "chain 11155111 has this root, since block 12345" in anchored
        assert PROOF["contract"] in anchored
        await expect(page.get_by_label("The anchor")).to_have_text(PROOF["anchor"])


def with_changed_bit(signed: str) -> str:
    """Return the note with one bit of its signature changed, still valid base64."""
    swap = {"A": "B", "B": "A"}
    place = len(signed) - 20
    return signed[:place] + swap.get(signed[place], "A") + signed[place + 1 :]


def other_anchor(**changed: Any) -> str:
    """Return the log key's signature of another anchor."""
    facts: dict[str, Any] = {
        "origin": VERIFIER.name,
        "chain_id": PROOF["chain_id"],
        "contract": PROOF["contract"],
        "size": PROOF["tree_size"],
        "root": bytes.fromhex(PROOF["merkle_root"]),
        "transaction": PROOF["anchor_tx_hash"],
        "block": PROOF["block_number"],
    }
    return anchor_note.sign(AnchorNote(**{**facts, **changed}), KEY)


REFUSED: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({"checkpoint": with_changed_bit(PROOF["checkpoint"])}, "signature", "is invalid"),
    ({"checkpoint": PROOF["anchor"]}, "checkpoint", "states something else"),
    ({"anchor": with_changed_bit(PROOF["anchor"])}, "anchor", "is invalid"),
    ({"anchor": PROOF["checkpoint"]}, "anchor", "another anchor"),
    ({"anchor": KNOWN_NOTE}, "anchor", "another anchor"),
    ({"anchor": other_anchor(block=12346)}, "anchor", "another anchor"),
    ({"anchor": other_anchor(root=bytes(32))}, "anchor", "another anchor"),
    ({"block_number": 12344}, "anchor", "another anchor"),
    ({"anchor": None}, "anchor", "is unreadable"),
    ({**NO_ANCHOR, "anchor": PROOF["anchor"]}, "anchor", "another anchor"),
    ({"verifier": "nobody"}, "signature", "is unreadable"),
)


async def test_what_was_not_signed_so_is_refused(browser: Browser, tmp_path: Path) -> None:
    async with offline(browser) as reader:
        for changed, step, says in REFUSED:
            async with reading(reader, tmp_path, **changed) as page:
                await expect(page.locator("#verdict")).to_have_text(FAILS)
                assert says in await said(page, step, "bad"), changed


async def test_the_gateways_word_must_be_of_the_anchor_that_it_signed(
    browser: Browser, tmp_path: Path
) -> None:
    others: tuple[dict[str, Any], ...] = (
        {"contract": "0x" + "22" * 20},
        {"chain_id": 1},
        {"block_number": 1},
        {"tx_hash": "0x" + "11" * 32},
        {"block_number": None},
    )
    async with offline(browser) as reader:
        for other in others:
            async with reading(reader, tmp_path, {**CHAIN, **other}) as page:
                await expect(page.locator("#verdict")).to_have_text(FAILS)
                assert "a different anchor than it signed" in await said(page, "chain", "bad"), (
                    other
                )
                await said(page, "anchor", "done")


async def test_a_proof_without_an_anchor_holds_and_repeats_no_word_of_a_chain(
    browser: Browser, tmp_path: Path
) -> None:
    """The gateway's statement about the chain is not signed."""
    async with offline(browser) as reader, reading(reader, tmp_path, CHAIN, **NO_ANCHOR) as page:
        await expect(page.locator("#verdict")).to_have_text(HOLDS)
        assert "Not anchored yet" in await said(page, "anchor", "next")
        assert CHAIN["contract"] not in await said(page, "chain", "next")


async def test_a_chain_is_never_said_to_be_more_than_the_gateways_word(
    browser: Browser, tmp_path: Path
) -> None:
    async with offline(browser) as reader:
        for private in (True, False, None):
            async with reading(reader, tmp_path, {**CHAIN, "private": private}) as page:
                assert "proves nothing more" in await said(page, "chain", "next")


OTHERWISE = [
    PROOF[name]
    for name in ("leaf", "checkpoint", "verifier", "merkle_root", "contract", "leaf_hash")
] + PROOF["proof_hashes"][:1]


async def test_what_is_read_there_is_what_was_checked(browser: Browser, tmp_path: Path) -> None:
    """The page shows what its script has read from the proof, so altered texts in the file have no
    effect.
    """
    path = tmp_path / "proof.html"
    shown = {"number": 42, "proof": PROOF, "chain": CHAIN, "asked_at": AT}
    begun, data, rest = re.split(r'(data-proof="[^"]*" data-chain="[^"]*")', proof_file(shown))
    for text in OTHERWISE:
        written = str(escape(text))
        assert written in rest
        rest = rest.replace(written, "other")
    path.write_text(begun.replace(f">{PROOF['entry_id']}<", ">8<") + data + rest)
    async with offline(browser) as reader:
        await reader.open(path)
        page = reader.page
        await expect(page.locator("#verdict")).to_have_text(HOLDS)
        read = await page.locator("main").text_content() or ""
        assert [text for text in OTHERWISE if text not in read] == []
        assert "other" not in read.replace("no other", "")
        await expect(page.get_by_role("heading", level=1)).to_have_text(
            f"Proof of entry no. {PROOF['entry_id']}"
        )


async def test_a_file_without_a_place_for_what_was_checked_does_not_hold(
    browser: Browser, tmp_path: Path
) -> None:
    path = tmp_path / "proof.html"
    text = proof_file({"number": 42, "proof": PROOF, "chain": CHAIN, "asked_at": AT})
    path.write_text(text.replace('data-of="leaf"', "", 1).replace("amount ", "amount 1", 2))
    async with offline(browser) as reader:
        await reader.open(path)
        await expect(reader.page.locator("#verdict")).to_contain_text("this page was altered")


@pytest.mark.parametrize("lacks", [NO_ED25519, PLAIN_HTTP], ids=["old", "plain http"])
async def test_a_browser_that_cannot_check_a_signature_says_so(
    browser: Browser, tmp_path: Path, lacks: str
) -> None:
    """The browser still compares the signed text with the proof, and refuses a changed block."""
    async with offline(browser, lacks) as reader:
        async with reading(reader, tmp_path) as page:
            verdict = page.locator("#verdict")
            await expect(verdict).to_contain_text("signature was not checked here")
            for step in ("signature", "anchor"):
                assert "This browser cannot check the signature" in await said(page, step, "next")
        async with reading(reader, tmp_path, block_number=12344) as page:
            await expect(page.locator("#verdict")).to_have_text(FAILS)
            await said(page, "anchor", "bad")


async def test_the_browser_takes_no_proof_of_which_a_bit_is_changed(
    browser: Browser, tmp_path: Path
) -> None:
    """Like ``rendertrust verify``, the browser checks each member that has a meaning."""
    script = "\n".join(sources()[name].decode() for name in SCRIPTS[:-1])
    script = re.sub(r"^import .*;\n", "", script, flags=re.MULTILINE)
    others = [{name: changed} for name in MEANT for changed in flipped(PROOF[name])]
    two = note.sign(PROOF["checkpoint"].partition("\n\n")[0] + "\n", VERIFIER.name, KEY)
    good, bad = two.rpartition("\n\n")[2], with_changed_bit(two).rpartition("\n\n")[2]
    others += [{"block_number": str(PROOF["block_number"])}, {"proof_hashes": None}]
    others += [{"checkpoint": two.replace(good, lines)} for lines in (good + bad, bad + good)]
    path = tmp_path / "empty.html"  # about:blank cannot check signatures
    path.write_text("<!doctype html>")
    async with offline(browser) as reader:
        await reader.open(path)
        holds, taken = await reader.page.evaluate(TAKEN, [script, CHAIN, PROOF, others])
    assert holds
    assert taken == []
