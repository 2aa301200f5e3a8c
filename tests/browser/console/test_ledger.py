"""The ledger page, its invariants, and proofs that the browser recomputes."""

import re
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, expect

from rendertrust import merkle
from tests.browser.console.kept_proofs import FAILS, HOLDS, kept, offline
from tests.browser.console.stage import Stage
from tests.browser.console.visits import visiting
from tests.support.merkle_proofs import inclusion_proof
from web.console.assets import assets

# Returns faults: proofs that are refused, and altered proofs that are accepted.
CLIMB = """
async ([url, proofs]) => {
  const { climb } = await import(url);
  const zero = "0".repeat(64);
  const faults = proofs.filter((proof) => climb(proof).fault);
  for (const proof of proofs) {
    const { proof_hashes: hashes, directions } = proof;
    const turned = directions.map((side) => (side === "left" ? "right" : "left"));
    const wrong = [
      { leaf_hash: zero },
      { leaf_index: proof.leaf_index + 1 },
      { proof_hashes: [...hashes, zero], directions: [...directions, "left"] },
    ];
    if (hashes.length) wrong.push({ directions: turned }, { proof_hashes: hashes.slice(1) });
    faults.push(...wrong.filter((each) => !climb({ ...proof, ...each }).fault));
  }
  return faults;
}
"""


async def test_the_money_of_a_job_leads_to_its_proof(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "jane", f"/console/jobs/{stage.jobs[0]}") as visit:
        page = visit.page
        await page.get_by_text("Line by line").click()
        await page.locator("#money").get_by_role("link", name=re.compile("no. ")).first.click()
        await expect(page.locator("#verdict")).to_have_text(HOLDS)
        await expect(page.get_by_label("The leaf", exact=True)).to_contain_text("kind USAGE")
        about = page.locator("#about")
        await expect(about).to_contain_text("charged, \u221210 cr")
        await expect(about).to_contain_text("jane@example.org")
        link = about.get_by_role("link")
        await expect(link).to_have_attribute("href", f"/console/jobs/{stage.jobs[0]}")
        await expect(page.locator("[data-step=chain]")).to_contain_text("No chain confirms it")


async def test_the_saved_file_works_alone_and_finds_what_was_altered(
    browser: Browser, stage: Stage, tmp_path: Path
) -> None:
    async with visiting(browser, stage, "jane", "/console/ledger") as visit:
        await visit.page.locator("#rows tbody tr a").first.click()
        await expect(visit.page.locator("#verdict")).to_have_text(HOLDS)
        path = await kept(visit, tmp_path)
    text = path.read_text()
    root = re.search(r"merkle_root&#34;: &#34;([0-9a-f]{64})", text)
    assert root is not None
    other = ("0" if root[1][0] != "0" else "1") + root[1][1:]
    before, proof, after = re.split(r'(data-proof="[^"]*")', text)
    async with offline(browser) as reader:
        await reader.open(path)
        await expect(reader.page.locator("#verdict")).to_have_text(HOLDS)
        await reader.check_asked_nobody(path)
        for old, new in ((root[1], other), (r"\namount ", r"\namount 9"), ("kind ", "kind X")):
            assert old in proof
            path.write_text(before + proof.replace(old, new) + after)
            await reader.open(path)
            await expect(reader.page.locator("#verdict")).to_have_text(FAILS)
        path.write_text(text.replace("Valid: ", "Velid: "))
        await reader.open(path)
        assert await reader.page.evaluate("window.violations") != [], (
            "an altered script does not run"
        )


def proofs() -> list[dict[str, Any]]:
    """Return proofs of every leaf of small trees, and of some leaves of a large tree."""
    leaves = [f"leaf {n}".encode() for n in range(20)]
    places = [(index, size) for size in range(1, 21) for index in range(size)]
    return [
        {
            "leaf_index": index,
            "tree_size": size,
            "leaf_hash": merkle.leaf_hash(leaves[index]).hex(),
            "merkle_root": merkle.root(leaves[:size]).hex(),
            "proof_hashes": [p.hex() for p in inclusion_proof(leaves[:size], index)],
            "directions": [
                "right" if start > index else "left"
                for start, _ in merkle.inclusion_ranges(index, size)
            ],
        }
        for index, size in places
    ]


async def test_the_browser_climbs_as_we_do(browser: Browser, stage: Stage) -> None:
    """Every proof holds, and no proof with another index, size, hash or direction holds."""
    async with visiting(browser, stage, "jane", "/console/ledger") as visit:
        said = await visit.page.evaluate(CLIMB, [assets().url("proof_check.js"), proofs()])
        assert said == []


async def test_who_sees_everything_filters_and_checks_all(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage, "ann", "/console/ledger") as visit:
        page = visit.page
        await expect(page.locator("#rows")).to_contain_text("revenue")
        await page.get_by_label("Kind").select_option("USAGE")
        await page.get_by_label("Account").fill("jane")
        await page.get_by_role("button", name="Filter", exact=True).click()
        await expect(page.locator("#rows tbody tr").first).to_contain_text("jane@example.org")
        assert await page.locator("#rows").get_by_text("revenue").count() == 0
        await visit.check_no_faults()
        page.once("dialog", lambda dialog: dialog.accept())
        await page.get_by_role("button", name="Check all now").click()
        await expect(page.get_by_role("status").first).to_contain_text(
            "A complete audit has started"
        )
        await page.get_by_role("link", name=re.compile("Anchors")).click()
        await expect(page.locator("#rows")).to_contain_text("No anchors")
        await visit.check_no_faults()


async def test_an_auditor_looks_at_any_proof_and_a_creator_at_his_own(
    browser: Browser, stage: Stage
) -> None:
    async with visiting(browser, stage, "rita", "/console/ledger?account=revenue") as visit:
        page = visit.page
        await expect(page.get_by_role("button", name="Check all now")).to_have_count(0)
        link = page.locator("#rows tbody tr a").first
        there = await link.get_attribute("href")
        await link.click()
        await expect(page.locator("#verdict")).to_have_text(HOLDS)
        await visit.check_no_faults()
    async with visiting(browser, stage, "jane", str(there)) as visit:
        await expect(visit.page.get_by_role("heading", name="Not found")).to_be_visible()
        number = str(there).rpartition("=")[2]
        answer = await visit.page.request.get(f"{stage.url}/console/ledger/file/{number}")
        assert answer.status == 404
