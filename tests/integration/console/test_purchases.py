"""Packages of credits and purchases on the credits page."""

import re

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import Visitor
from tests.support.databases import execute


async def test_prices_have_the_decimals_of_their_currency_and_refunds_are_credits(
    database: PostgresEndpoint, jane: Visitor
) -> None:
    skus = "UPDATE skus SET amount = {}, currency = '{}' WHERE name = '{}'"
    purchase = (
        "INSERT INTO purchases (id, user_id, sku, units, amount, currency, state, session,"
        " refunded, movements, created_at, paid_at)"
        f" VALUES (gen_random_uuid(), '{jane.id}', 'cred10', 1000000, 1500, 'jpy', 'PAID', 's',"
        " 250000, 1, now(), now())"
    )
    yen, dollars = skus.format(1500, "jpy", "cred10"), skus.format(1234567, "usd", "cred50")
    for statement in (yen, dollars, purchase):
        await execute(database.owner_dsn, statement)
    _, text = await jane.get("/console/credits")
    prices = re.findall(r'(?:data-label="Price" class="number"|class="price")>([^<]*)<', text)
    assert sorted(prices) == [
        "1,400.00 USD",
        "1,500 JPY",
        "1,500 JPY",
        "12,345.67 USD",
        "350.00 USD",
        "70.00 USD",
    ]
    refunded = text.partition("<small>refunded ")[2].partition("</small>")[0]
    assert re.sub("<[^>]+>", "", refunded) == "25 cr"
