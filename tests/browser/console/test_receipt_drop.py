"""A picture and its receipt, dropped on the farm's first page.

The visitor's browser checks both, as ``rendertrust verify`` does, and sends neither.
"""

import base64 as coder
import html
import json
import random
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, FilePayload, Page, Route, expect

from rendertrust import anchor_note, receipt
from rendertrust.anchor_note import AnchorNote
from rendertrust.node.worker.formats.picture_digest import of_file, told
from rendertrust.receipt import canonical
from tests.browser.console.stage import Stage
from tests.browser.console.visits import LOOKS, visiting
from tests.unit.proof import receipts
from tests.unit.proof.test_picture_digest import (
    FILES,
    LINES,
    attribute,
    exr,
    jpeg,
    multi_part,
    with_chunk_in_data,
    with_segment,
    zipped,
)
from web.console.assets import assets

CONTRACT, CHAIN, BLOCK = "0x" + "5f" * 20, 7, 1_812
TRANSACTION = "0x" + "ab" * 32
# Returns the steps and the seal of each [receipt, name, picture in base64].
CHECKED = """
async ([url, farm, cases]) => {
  const { checkPicture, readReceipt } = await import(url);
  const found = [];
  for (const [document, name, content] of cases) {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    const read = await readReceipt(new File([JSON.stringify(document)], "receipt.json"));
    const { steps, seal } = await checkPicture(read, new File([bytes], name), farm);
    found.push([Object.fromEntries(steps), seal]);
  }
  return found;
}
"""
CANONICAL = """
async ([url, values]) => {
  const { canonical } = await import(url);
  return values.map((value) => canonical(value));
}
"""
DROPPED = """
([receipt, picture]) => {
  const files = new DataTransfer();
  files.items.add(new File([receipt], "receipt.json", { type: "application/json" }));
  const bytes = Uint8Array.from(atob(picture), (letter) => letter.charCodeAt(0));
  files.items.add(new File([bytes], "0001.png"));
  const dropped = new DragEvent("drop", { dataTransfer: files, cancelable: true });
  document.getElementById("check-picture").dispatchEvent(dropped);
}
"""


def base64(content: bytes) -> str:
    return coder.b64encode(content).decode()


def filtered_png(width: int, height: int, channels: int, bits: int) -> bytes:
    """Return a PNG of noise that uses all five filters of rows."""
    chance, step = random.Random(width * bits), channels * bits // 8
    above, raw = bytes(width * step), bytearray()
    for y in range(height):
        row = chance.randbytes(width * step)
        raw += bytes([y % 5, *filtered(y % 5, row, above, step)])
        above = row
    color = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    head = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    packed = zlib.compress(bytes(raw))
    parts = [(b"IHDR", head), (b"IDAT", packed[:100]), (b"IDAT", packed[100:]), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(receipts.chunk(*part) for part in parts)


def filtered(kind: int, row: bytes, above: bytes, step: int) -> list[int]:
    """Apply a filter to a row (PNG 1.2, 6)."""
    found = list[int]()
    for place, value in enumerate(row):
        left = row[place - step] if place >= step else 0
        corner = above[place - step] if place >= step else 0
        over = above[place]
        near = min((left, over, corner), key=lambda one: abs(left + over - corner - one))
        found.append((value - [0, left, over, (left + over) // 2, near][kind]) % 256)
    return found


def farm() -> dict[str, Any]:
    """Return what the farm's page says of itself."""
    verifier = receipts.proof_of(receipts.RECEIPT)["verifier"]
    return {"keys": [verifier], "chain": CHAIN, "contract": CONTRACT}


def anchored(document: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """Return the receipt's file with a signed anchor in its proof."""
    proof = document["proof"]
    root = bytes.fromhex(proof["merkle_root"])
    fields = (receipts.ORIGIN, CHAIN, CONTRACT, 3, root, TRANSACTION, BLOCK)
    names = {"chain_id": CHAIN, "contract": CONTRACT, "block_number": BLOCK}
    signed = anchor_note.sign(AnchorNote(*fields), receipts.GATEWAY)
    there = {**names, "anchor_tx_hash": TRANSACTION, "anchor": signed}
    return {**document, "proof": {**proof, **there, **changed}}


def receipt_of(pixels: Any, **changed: Any) -> dict[str, Any]:
    """Return the anchored file of a receipt with this hash of pixels."""
    work = {**receipts.WORK, "pixels": pixels}
    signature = receipt.sign_work(work, receipts.NODE)
    made = {**receipts.RECEIPT, "work": work, "node_signature": signature, **changed}
    return anchored(receipts.file_of(made))


async def checked(page: Page, cases: list[tuple[Any, str, bytes]]) -> list[Any]:
    """Check each receipt with its picture in the browser."""
    asked = [(document, name, base64(content)) for document, name, content in cases]
    return list(await page.evaluate(CHECKED, [assets().url("receipt_check.js"), farm(), asked]))


PICTURES = {
    "one.png": receipts.PICTURE,
    **{
        f"{channels}x{bits}.png": filtered_png(33, 21, channels, bits)
        for channels in (1, 2, 3, 4)
        for bits in (8, 16)
    },
    "one.jpg": jpeg(),
    "progressive.jpg": jpeg(progressive=True),
    "restarts.jpg": jpeg(restart_marker_rows=1),
    "zip.exr": exr(LINES),
    "raw.exr": exr(LINES, raw=True),
    "zips.exr": exr(LINES, 2),
    "plain.exr": exr(LINES, 0),
    "parts.exr": multi_part(exr(LINES), exr(bytes(reversed(LINES)))),
    "chunk.zip": zipped(FILES),
}
NO_PICTURES = {
    "video.mp4": b"\0\0\0\x18ftypmp42",
    "short.png": receipts.PICTURE[:-20],
    "animated.png": receipts.animated(receipts.PICTURE),
    "broken.jpg": jpeg()[:200],
    "deep.exr": multi_part(exr(LINES)).replace(b"scanlineimage", b"deepscanline!"),
    "packed.zip": zipped(FILES)[:-30],
    "divided.png": with_chunk_in_data(receipts.PICTURE),
    "empty": b"",
}


async def test_the_browser_hashes_the_pixels_of_each_format(
    browser: Browser, stage: Stage, tmp_path: Path
) -> None:
    cases, wanted = list[tuple[Any, str, bytes]](), list[bool]()
    for name, content in {**PICTURES, **NO_PICTURES}.items():
        path = tmp_path / name
        path.write_bytes(content)
        known = told(str(path)).get("pixels")
        assert (known is not None) == (name in PICTURES), name
        cases.append((receipt_of(known or {"sha256": receipts.PIXELS}), name, content))
        wanted.append(known is not None)
    for name, other in (("one.jpg", jpeg(8)), ("zip.exr", exr(bytes(reversed(LINES))))):
        (tmp_path / name).write_bytes(PICTURES[name])
        cases.append((receipt_of(of_file(str(tmp_path / name))), name, other))
        wanted.append(False)
    (tmp_path / "chunk.zip").write_bytes(PICTURES["chunk.zip"])
    chunk = of_file(str(tmp_path / "chunk.zip"))
    cases.append((receipt_of(chunk), "0002.jpg", jpeg(comment=b"another file")))
    cases.append((receipt_of({**chunk, "pictures": {"0001.png": "0" * 64}}), "0002.jpg", jpeg()))
    wanted += [True, False]
    async with visiting(browser, stage) as visit:
        page = await visit.go("/")
        found = await checked(page, cases)
        await visit.check_no_faults()
    named = [
        (name, steps["Picture"][0]) for (_, name, _), (steps, _) in zip(cases, found, strict=True)
    ]
    assert named == [(name, holds) for (_, name, _), holds in zip(cases, wanted, strict=True)]
    assert [bool(seal) for _, seal in found] == wanted


async def test_a_seal_shows_only_if_every_step_holds(browser: Browser, stage: Stage) -> None:
    good = receipt_of(receipts.RECEIPT["work"]["pixels"])
    turned = {"signature": "0" * 128}
    others = {
        "Gateway": {**good, **turned},
        "Node": {**good, "receipt": {**good["receipt"], "node_signature": "0" * 128}},
        "Verdict": receipt_of(receipts.RECEIPT["work"]["pixels"], verdict="unverified"),
        "Withdrawn": {**good, "withdrawn": {"entry_id": 9}},
        "Payment": {**good, "entry_id": 43},
        "Log": {**good, "proof": None},
        "Farm": {
            **good,
            "proof": {
                **good["proof"],
                "anchor": None,
                **dict.fromkeys(("anchor_tx_hash", "contract", "chain_id", "block_number")),
            },
        },
    }
    cheaper = {**good, "receipt": {**good["receipt"], "price": 1}}
    cases = [(one, "a.png", receipts.PICTURE) for one in [good, *others.values(), cheaper]]
    async with visiting(browser, stage) as visit:
        page = await visit.go("/")
        (steps, seal), *found = await checked(page, cases)
        assert {name: held for name, (held, _) in steps.items()} == dict.fromkeys(steps, True)
        assert (seal["credits"], seal["block"], seal["node"]) == (
            10,
            BLOCK,
            receipts.WORK["node"]["id"],
        )
        for (name, _), (one, none) in zip(
            [*others.items(), ("Gateway", cheaper)], found, strict=True
        ):
            assert none is False, name
            assert one[name][0] is not True, name
        url = assets().url("receipt_check.js")
        others_of = list[dict[str, Any]](
            [{"keys": []}, {"chain": 1}, {"contract": "0x" + "00" * 20}]
        )
        for foreign in others_of:
            case = [good, "a.png", base64(receipts.PICTURE)]
            ((one, none),) = await page.evaluate(CHECKED, [url, {**farm(), **foreign}, [case]])
            assert (one["Farm"][0], none) == (False, False), foreign


def png_with(kind: bytes, body: bytes) -> bytes:
    """Return the PNG of the tests with another chunk before its samples."""
    begin = receipts.PICTURE.index(b"IDAT") - 4
    return receipts.PICTURE[:begin] + receipts.chunk(kind, body) + receipts.PICTURE[begin:]


# Parts by which viewers show the same pixels in other colors, turned or stretched.
SHOWN_OTHERWISE = {
    **{f"{kind.decode()}.png": png_with(kind, b"x" * 8) for kind in (b"eXIf", b"iCCP", b"gAMA")},
    "cICP.png": png_with(b"cICP", bytes([9, 16, 0, 1])),
    "exif.jpg": with_segment(jpeg(), 0xE1, b"Exif"),
    "profile.jpg": with_segment(jpeg(), 0xE2, b"ICC_PROFILE"),
    "window.exr": exr(LINES, more=attribute("displayWindow", "box2i", bytes(16))),
    "colors.exr": exr(LINES, more=attribute("chromaticities", "chromaticities", bytes(32))),
    "chunk.zip": zipped({**FILES, "0001.png": png_with(b"iCCP", b"x" * 8)}),
}


async def test_no_seal_for_other_files_that_viewers_show_otherwise(
    browser: Browser, stage: Stage, tmp_path: Path
) -> None:
    cases = list[tuple[Any, str, bytes]]()
    for name, content in SHOWN_OTHERWISE.items():
        (tmp_path / name).write_bytes(content)
        cases.append((receipt_of(of_file(str(tmp_path / name))), name, content))
    async with visiting(browser, stage) as visit:
        page = await visit.go("/")
        found = await checked(page, cases)
    told = [(steps["Picture"][0], seal) for steps, seal in found]
    assert told == [(None, False)] * len(SHOWN_OTHERWISE)
    assert all("Take the delivered file" in steps["Picture"][1] for steps, _ in found)


async def test_the_browser_signs_for_the_same_bytes_as_python(
    browser: Browser, stage: Stage
) -> None:
    values: list[Any] = [
        receipts.RECEIPT,
        {"é": 'ü\u2028\x7f\x00"\\/\n', "\U0001f600": [], "\uffff": {}, "a": [1, -2, None, True]},
        {"b": 2**53 - 1, "a": {"10": 1, "9": 2, "": 3}},
    ]
    async with visiting(browser, stage) as visit:
        page = await visit.go("/")
        found = await page.evaluate(CANONICAL, [assets().url("receipt_check.js"), values])
    assert found == [canonical(value).decode() for value in values]


async def of_the_test_farm(route: Route) -> None:
    """Serve the page as the farm whose keys the tests know would."""
    answer = await route.fetch()
    before, _, rest = (await answer.text()).partition('data-farm="')
    after = rest.partition('"')[2]
    said = html.escape(json.dumps(farm()))
    await route.fulfill(response=answer, body=f'{before}data-farm="{said}"{after}')


async def test_a_visitor_drops_a_picture_and_its_receipt(browser: Browser, stage: Stage) -> None:
    good = json.dumps(receipt_of(receipts.RECEIPT["work"]["pixels"]))
    async with visiting(browser, stage) as visit:
        sent = list[str]()
        visit.page.on(
            "request", lambda request: sent.append(f"{request.method} {request.post_data}")
        )
        await visit.page.route(f"{stage.url}/", of_the_test_farm)
        page = await visit.go("/")
        for field in ("Picture", "Receipt"):
            await expect(page.get_by_label(field, exact=True)).to_be_visible()
        await page.evaluate(DROPPED, [good, base64(receipts.PICTURE)])
        seal = page.get_by_role("group", name="Seal")
        await expect(seal).to_contain_text("Verified")
        await expect(seal).to_contain_text("Credits paid: 10")
        await expect(seal).to_contain_text("Anchored in block 1,812")
        await visit.check_page("front-seal", LOOKS)
        await page.get_by_label("Picture", exact=True).set_input_files(
            FilePayload(name="other.png", mimeType="image/png", buffer=filtered_png(2, 2, 3, 8))
        )
        await expect(page.locator("#check-steps")).to_contain_text(
            "is not the picture of this receipt"
        )
        await expect(page.locator("#check-status")).to_have_text("No seal: a step failed.")
        await expect(seal).to_be_hidden()
        assert {one for one in sent if not one.startswith("GET None")} == set()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "is not a receipt"),
        (b'{"format": "rendertrust-receipt-file-v1", "receipt": 5}', "is not a receipt"),
        (b"[" * 100_000, "is not a receipt"),
        (b" " * (1024 * 1024 + 1), "too large"),
    ],
)
async def test_a_file_that_is_no_receipt_is_named_as_such(
    browser: Browser, stage: Stage, content: bytes, said: str
) -> None:
    async with visiting(browser, stage) as visit:
        page = await visit.go("/")
        await page.get_by_label("Picture", exact=True).set_input_files(
            FilePayload(name="0001.png", mimeType="image/png", buffer=receipts.PICTURE)
        )
        await expect(page.locator("#check-status")).to_have_text("Now the receipt of the picture.")
        await page.get_by_label("Receipt", exact=True).set_input_files(
            FilePayload(name="receipt.json", mimeType="application/json", buffer=content)
        )
        await expect(page.locator("#check-status")).to_contain_text(said)
        await visit.check_no_faults()


async def test_a_farm_without_anchors_says_so(browser: Browser, stage: Stage) -> None:
    unanchored = receipts.file_of(receipts.RECEIPT)
    asked = [[unanchored, "a.png", base64(receipts.PICTURE)]]
    none = {**farm(), "contract": "", "chain": None}
    async with visiting(browser, stage) as visit:
        page = await visit.go("/")
        url = assets().url("receipt_check.js")
        for told, said in ((none, "has anchored nothing"), (farm(), "not anchored on the")):
            ((steps, seal),) = await page.evaluate(CHECKED, [url, told, asked])
            assert (steps["Farm"][0], seal) == (None, False)
            assert said in steps["Farm"][1]


async def test_a_receipt_of_another_farm_is_named_as_such(browser: Browser, stage: Stage) -> None:
    good = json.dumps(receipt_of(receipts.RECEIPT["work"]["pixels"]))
    async with visiting(browser, stage) as visit:
        page = await visit.go("/")
        await page.evaluate(DROPPED, [good, base64(receipts.PICTURE)])
        await expect(page.locator("#check-steps")).to_contain_text(
            "a receipt of another farm, farm.example/log"
        )
        await expect(page.get_by_role("group", name="Seal")).to_be_hidden()
