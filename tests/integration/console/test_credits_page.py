"""The credits page: packs, spending by day and by job, statements, and invoices."""

import json
import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import Visitor, newcomer
from tests.integration.console.work import worked
from tests.support.databases import connected, execute
from tests.support.http_gateway import Face, face_over, with_ledger
from web.console.value_markup import NOTHING

PAGE = "/console/credits"
SELLER = {"seller": "Farm GmbH; Berlin"}


def plain(text: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


async def paid(database: PostgresEndpoint, user: Visitor, session: str = "s") -> None:
    await execute(
        database.owner_dsn,
        "INSERT INTO purchases (id, user_id, sku, units, amount, currency, state, session,"
        f" created_at, paid_at) VALUES (gen_random_uuid(), '{user.id}', 'cred10', 1000000, 1000,"
        f" 'usd', 'PAID', '{session}', now(), now())",
    )


async def test_packs_say_what_a_credit_costs_and_what_one_saves(jane: Visitor) -> None:
    _, text = await jane.get(PAGE)
    packs = [plain(each) for each in re.findall(r'<li class="pack">(.*?)</li>', text, re.DOTALL)]
    assert packs == [
        "100 credits 10.00 USD 0.10 USD a credit Buy",
        "500 credits 40.00 USD 0.08 USD a credit save 20 % Buy",
        "1,000 credits 70.00 USD 0.07 USD a credit save 30 % Buy",
        "5,000 credits 350.00 USD 0.07 USD a credit save 30 % Buy",
        "20,000 credits 1,400.00 USD 0.07 USD a credit save 30 % Buy",
    ]
    assert len(re.findall(r'data-sku="', text)) == 5, "one button each"
    assert 'id="buy-need"' not in text


@pytest.mark.parametrize(
    ("need", "offer", "order"),
    [
        (1, "100 credits for 10.00 USD", {"cred10": 1}),
        (
            1234,
            "1,300 credits for 100.00 USD 1 \u00d7 1,000 credits + 3 \u00d7 100 credits",
            {"cred100": 1, "cred10": 3},
        ),
        (20_000, "20,000 credits for 1,400.00 USD", {"cred2000": 1}),
        (15_000, "15,000 credits for 1,050.00 USD 3 \u00d7 5,000 credits", {"cred500": 3}),
    ],
    ids=("1", "1234", "20000", "15000"),
)
async def test_a_job_that_lacks_credits_leads_to_a_purchase_of_enough(
    jane: Visitor, need: int, offer: str, order: dict[str, int]
) -> None:
    _, text = await jane.get(f"{PAGE}?need={need}&back=%2Fconsole%2Fjobs%2Fnew")
    shown = text.partition('id="buy-need">')[2].partition("</div>")[0]
    lacks = f"{need:,} more credit{'' if need == 1 else 's'}"
    assert plain(shown) == f"Your job needs {lacks}. This is enough: Buy {offer}"
    found = re.search(r'data-sku="(\w+)" data-quantity="(\d+)"(?: data-more="([^"]*)")?', shown)
    assert found is not None
    more = json.loads(unescape(found[3] or "[]"))
    packs = [{"sku": found[1], "quantity": int(found[2])}, *more]
    assert {each["sku"]: each["quantity"] for each in packs} == order
    _, text = await jane.get(f"{PAGE}?need=1000000000")
    assert "more than one payment can be" in text


@pytest.mark.parametrize(
    ("need", "words"),
    [
        ("-5", "must be at least 0"),
        ("many", "must be a whole number"),
        ("9" * 12, "must be at most"),
    ],
    ids=("negative", "text", "too many"),
)
async def test_a_need_that_is_no_number_is_told(jane: Visitor, need: str, words: str) -> None:
    status, text = await jane.get(f"{PAGE}?need={need}")
    assert status == 422
    assert f"The number of credits that you need {words}" in plain(text)


async def test_spending_is_shown_by_day_and_by_job(
    face: Face, jane: Visitor, database: PostgresEndpoint
) -> None:
    one = await worked(face, database.owner_dsn, jane, units=3)
    two = await worked(face, database.owner_dsn, jane, units=1)
    old = await worked(face, database.owner_dsn, jane, units=2)
    async with connected(database.owner_dsn) as owner:
        await owner.execute("ALTER TABLE transfers DISABLE TRIGGER USER")
        await owner.execute(
            "UPDATE transfers SET created_at = created_at - interval '10 days'"
            " WHERE reference LIKE $1",
            f"job:{old}:%",
        )
    today = datetime.now(UTC).date()
    _, text = await jane.get(PAGE)
    spending = plain(text.partition('id="spending">')[2])
    assert "Spent 60 cr" in spending
    assert "60 credits were charged on 2 days" in spending
    rows = re.findall(r"<tr(?: data-row)?>(.*?)</tr>", text.partition('id="days"')[2], re.DOTALL)
    shown = [plain(row) for row in rows]
    assert [row for row in shown if row.startswith("20")] == [
        f"{today} 40 cr {NOTHING} 2",
        f"{today - timedelta(days=10)} 20 cr {NOTHING} 1",
    ]
    named = [row for row in shown if "render" in row or "scene" in row]
    jobs = [next(job for job in (one, two, old) if str(job)[:8] in row) for row in named]
    assert jobs == [one, old, two], "the dearest first"


async def test_a_period_has_an_address(
    face: Face, jane: Visitor, database: PostgresEndpoint
) -> None:
    await worked(face, database.owner_dsn, jane)
    status, text = await jane.get(f"{PAGE}?from=2026-01-01&to=2026-01-31")
    assert status == 200
    assert "Nothing was charged in this period." in text
    assert "from=2026-01-01&amp;to=2026-01-31&amp;format=pdf" in text
    assert 'name="from" value="2026-01-01"' in text
    month = re.search(r'href="([^"]+)"[^>]*>This month<', text)
    assert month is not None
    status, text = await jane.get(unescape(month[1]).partition("#")[0])
    assert (status, "Spent 10 cr" in plain(text)) == (200, True)
    assert re.search(r'aria-current="page">This month<', text)


async def test_a_bad_period_is_shown_with_a_reason(jane: Visitor) -> None:
    status, text = await jane.get(f"{PAGE}?from=2026-03-02&to=2026-03-01")
    assert status == 422
    assert "The first day must not be after the last day, 2026-03-01." in plain(text)


async def test_statements_are_downloads_of_the_page(jane: Visitor) -> None:
    _, text = await jane.get(PAGE)
    for form, media in (("csv", "text/csv"), ("pdf", "application/pdf")):
        link = re.search(rf'href="([^"]*statement[^"]*format={form})"', text)
        assert link is not None
        answer = await jane.ask("GET", unescape(link[1]))
        assert (answer.status, answer.content_type) == (200, media)
        assert await answer.read()


async def test_a_paid_purchase_links_to_its_invoice(database: PostgresEndpoint) -> None:
    async with face_over(database, with_ledger, invoices=SELLER) as face:
        jane = await newcomer(face)
        await paid(database, jane)
        _, text = await jane.get(PAGE)
        link = re.search(r'href="([^"]*/invoice)"', text)
        assert link is not None
        answer = await jane.ask("GET", link[1])
        assert (answer.status, answer.content_type) == (200, "application/pdf")
        assert "Credit note" not in text
        refund = "UPDATE purchases SET refunded = units / 4, movements = 1"
        await execute(database.owner_dsn, refund)
        _, text = await jane.get(PAGE)
        note = re.search(r'href="([^"]*/credit-notes/1)"', text)
        assert note is not None
        answer = await jane.ask("GET", note[1])
        assert (answer.status, answer.content_type) == (200, "application/pdf")
        ann = await newcomer(face, email="ann@example.org")
        assert (await ann.ask("GET", link[1])).status == 404
        form = {"invoice_to": "Studio Smith \r\n1 High Street"}
        answer = await jane.post(f"{PAGE}/invoice-to", form)
        assert answer.status == 303
        assert ">Studio Smith\n1 High Street</textarea>" in (await jane.get(PAGE))[1]
        refused = await jane.post(f"{PAGE}/invoice-to", {"invoice_to": "a\n" * 9 + "b"})
        text = await refused.text()
        assert refused.status == 422
        assert "The address must be at most six lines" in plain(text)


async def test_without_a_seller_an_admin_reads_what_to_set(
    jane: Visitor, ann: Visitor, database: PostgresEndpoint
) -> None:
    for visitor, session in ((jane, "a"), (ann, "b")):
        await paid(database, visitor, session)
    assert "This farm issues no invoices." in plain((await jane.get(PAGE))[1])
    _, text = await ann.get(PAGE)
    assert "set the farm's name and address in invoices.seller" in plain(text)
    assert "/invoice" not in text.replace("invoice-to", "")


async def test_the_request_of_a_job_says_whom_it_tells(
    face: Face, jane: Visitor, database: PostgresEndpoint
) -> None:
    job = await worked(face, database.owner_dsn, jane)
    _, text = await jane.get(f"/console/jobs/{job}")
    assert "Mails as the account says" in plain(text)
    assert "Webhook all endpoints, by their types" in plain(text)
