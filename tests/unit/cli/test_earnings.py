"""When an earning becomes payable, as the table of earnings says it."""

from datetime import UTC, datetime, timedelta
from typing import Literal

import attrs
import pytest

from rendertrust.api.earnings import Share
from rendertrust.cli.earnings import payable_text

NOW = datetime(2026, 3, 13, 12, tzinfo=UTC)
SHARE = Share(
    id="8b1f0f52-2f43-4a6d-9d0e-3f7f0f5e6a10",
    job_id="5c1e9e7a-92a5-4c3a-8f5c-0d2b7a1c4e11",
    unit=0,
    node_id="1d2c3b4a-5f6e-4d7c-8b9a-0a1b2c3d4e5f",
    amount="7.0000",
    state="pending",
    work="full",
    disputed=False,
    earned_at=NOW - timedelta(days=2),
    payable_at=NOW + timedelta(days=1),
    payout_id=None,
    entry_id=None,
    proof_path=None,
    receipt_path=None,
    why=None,
)


@pytest.mark.parametrize(
    ("state", "disputed", "days", "text"),
    [
        ("pending", False, 1, "2026-03-14"),
        ("pending", False, -1, "after checks"),
        ("pending", True, -1, "after decision"),
        ("payable", False, -1, "now"),
        ("paid", False, -1, "-"),
        ("reversed", False, -1, "-"),
    ],
)
def test_an_earning_is_never_said_to_become_payable_in_the_past(
    state: Literal["pending", "payable", "paid", "reversed"], disputed: bool, days: int, text: str
) -> None:
    at = NOW + timedelta(days=days)
    share = attrs.evolve(SHARE, state=state, disputed=disputed, payable_at=at)
    assert payable_text(share, NOW) == text
