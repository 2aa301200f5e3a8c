"""The secret for random draws is the same for all gateways and unreadable in the database."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ledger.effects import UnitComplete, UnitDeliver
from actors.node_session.sampling import Sampling
from sql.log import LogKeys
from sql.reputation_rules import FORGIVEN_BY, HISTORY, Record
from sql.sampling import ALWAYS_UNTIL, covered_odds, fine_of, odds, odds_of
from sql.units import Kind
from tests.twins.random import TwinRandom
from tests.twins.signer import TwinSigner, signing_key
from tests.twins.store import StoreTwin
from tests.unit.simulated_time import simulated
from web.log.log_keys import seal, unseal

NODE, CLASS = UUID(int=10), "cpu"
OFFERS: dict[tuple[Kind, int], float] = {
    ("merged", 0): 1.0,
    ("video", 0): 1.0,
    ("frame", 0): 0.5,
}
SECRETS = st.binary(min_size=1, max_size=64)
NONCES = st.binary(min_size=12, max_size=12)


class KnownNodeStore(StoreTwin):
    """A database in which the node has a long record."""

    letters = "v" * HISTORY

    async def records(self, nodes: object) -> list[Record]:
        return [Record(NODE, CLASS, False, "", self.letters)]


def sampling(store: StoreTwin, signer: TwinSigner, seed: int = 1) -> Sampling:
    return Sampling(store, signer, TwinRandom(seed), 0.5)


async def drawn(by: Sampling, count: int = 64, work: str | None = None) -> list[bool]:
    """Return which of ``count`` results are drawn; ``work`` is what the node signed for each."""
    results = [UnitComplete(UUID(int=n), 0, 1, NODE, None, b"r" * 32) for n in range(count)]
    found = [await by.draw(UnitDeliver(result, CLASS, work=work), 0) for result in results]
    assert {odds for _, odds in found} <= {0.5, 1.0}
    return [number < odds for number, odds in found]


@simulated
async def test_all_gateways_draw_alike_also_after_a_start_and_a_rotation() -> None:
    store = KnownNodeStore()
    first = await drawn(sampling(store, TwinSigner(1), 1))
    assert 10 < sum(first) < 54
    assert await drawn(sampling(store, TwinSigner(1), 2)) == first
    assert await drawn(sampling(store, TwinSigner(2, 1), 3)) == first
    assert await drawn(sampling(store, TwinSigner(3, 2), 4)) == first, (
        "it was sealed anew for key 2"
    )


@simulated
async def test_all_frames_that_eevee_drew_are_compared() -> None:
    """An invalid verdict by another driver gives no strike, so sampling would not deter lies."""
    by = sampling(KnownNodeStore(), TwinSigner(1))
    assert all(await drawn(by, work='{"measured": {"drawing": "OPENGL; Mesa"}}'))
    assert not all(await drawn(by, work='{"measured": {"drawing": null}}'))


@simulated
async def test_all_merged_frames_and_free_videos_are_compared() -> None:
    """An invalid result of a free unit brings no fine, so sampling would not deter lies."""
    by = sampling(KnownNodeStore(), TwinSigner(1))
    delivery = UnitDeliver(UnitComplete(UUID(int=1), 0, 1, NODE, None), CLASS)
    odds = {(kind, price): (await by.draw(delivery, price, kind))[1] for kind, price in OFFERS}
    assert odds == OFFERS


@simulated
async def test_a_secret_that_nobody_can_open_is_replaced() -> None:
    store = KnownNodeStore()
    first = await drawn(sampling(store, TwinSigner(1), 1))
    store.log_keys = LogKeys("a/log", [str(v) for v in TwinSigner(3).verifiers("a/log")])
    second = await drawn(sampling(store, TwinSigner(3), 2))
    assert second != first
    assert await drawn(sampling(store, TwinSigner(3), 3)) == second


@simulated
async def test_where_gateways_have_different_keys_all_is_checked() -> None:
    """Nobody should gain when another gateway keeps replacing the secret."""

    class Hasty(KnownNodeStore):
        async def keep_draw_secret(self, sealed: bytes, instead_of: bytes | None) -> None:
            self.sealed_secret = seal(signing_key(9), b"another's", b"n" * 12)

    assert all(await drawn(sampling(Hasty(), TwinSigner(1))))


@simulated
async def test_what_stands_in_the_database_tells_no_secret() -> None:
    store = KnownNodeStore()
    await drawn(sampling(store, TwinSigner(1)), 1)
    assert store.sealed_secret is not None
    secret = TwinSigner(1).unseal(store.sealed_secret)
    assert secret is not None
    assert len(secret) == 32
    assert secret not in store.sealed_secret
    assert TwinSigner(2).unseal(store.sealed_secret) is None


@given(SECRETS, NONCES, st.integers(1, 2**200), st.integers(1, 2**200))
def test_what_is_sealed_opens_with_its_key_alone(
    secret: bytes, nonce: bytes, one: int, other: int
) -> None:
    sealed = seal(signing_key(one), secret, nonce)
    assert unseal([signing_key(one)], sealed) == secret
    assert unseal([signing_key(other), signing_key(one)], sealed) == secret
    if one != other:
        assert unseal([signing_key(other)], sealed) is None


@given(SECRETS, NONCES, st.data())
def test_what_was_changed_does_not_open(secret: bytes, nonce: bytes, data: st.DataObject) -> None:
    sealed = bytearray(seal(signing_key(1), secret, nonce))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    assert unseal([signing_key(1)], bytes(sealed)) is None


@pytest.mark.parametrize("short", [b"", b"123", b"n" * 12])
def test_what_is_none_does_not_open(short: bytes) -> None:
    assert unseal([signing_key(1)], short) is None


LETTERS = st.text("vmx", max_size=60)


@given(LETTERS, LETTERS, st.floats(0, 1))
def test_who_is_new_or_has_strikes_is_always_checked(
    letters: str, of_another_class: str, least: float
) -> None:
    records = [Record(NODE, CLASS, False, "", letters)]
    if of_another_class:
        records.append(Record(NODE, "gpu", False, "", of_another_class))
    chance, known = odds_of(records, CLASS, 0.0, least), records[0].reputation
    if known.valid_in_row < ALWAYS_UNTIL or letters.endswith(("m", "x")):
        assert chance == 1.0
    if "m" not in letters + of_another_class:
        in_row = len(letters.rpartition("x")[2])
        assert chance == pytest.approx(odds(in_row, least))
    assert odds_of([], CLASS, 0.0, least) == 1.0


@given(st.integers(1, 10**9), st.integers(0, 10**12), st.floats(0.01, 1), st.integers(10, 1000))
def test_a_lie_costs_more_than_it_earns_and_what_is_pending_covers_it(
    share: int, pending: int, least: float, in_row: int
) -> None:
    record = odds_of([Record(NODE, CLASS, False, "", "v" * in_row)], CLASS, 0.0, least)
    chance = max(record, covered_odds(share, pending))
    fine = fine_of(share, chance)
    assert chance == 1.0 or fine <= pending + 1, "rounding may add one unit"
    earns = (1 - chance) * share - chance * min(fine, pending)
    assert earns < 0 or (chance == 1.0 and earns == 0)
    if chance < 1.0:
        assert earns == pytest.approx(-share, rel=0.01, abs=1)


@given(st.integers(0, 1000), st.floats(0.01, 0.5))
def test_overload_lowers_the_odds_to_their_least_but_not_of_who_is_new(
    in_row: int, least: float
) -> None:
    record = [Record(NODE, CLASS, False, "", "v" * in_row)]
    busy = odds_of(record, CLASS, 61.0, least)
    assert busy <= odds_of(record, CLASS, 0.0, least)
    assert busy == (1.0 if in_row < ALWAYS_UNTIL else least)


@pytest.mark.parametrize("device_class", ["optix/x/5.2", "CPU/avx2/5.2", "/avx2/5.2", ""])
def test_on_a_device_whose_refusals_are_no_strikes_each_result_is_compared(
    device_class: str,
) -> None:
    record = [Record(NODE, device_class, False, "", "v" * 1000)]
    assert odds_of(record, device_class, 0.0, 0.05) == 1.0


def test_what_costs_nothing_may_be_compared_as_seldom_as_its_record_allows() -> None:
    assert covered_odds(0, 0) == 0.0
    assert covered_odds(1, 0) == 1.0


@pytest.mark.parametrize(
    ("letters", "of_another_class", "is_certain"),
    [
        ("m" + "v" * (FORGIVEN_BY - 1), "", True),
        ("m" + "v" * FORGIVEN_BY, "", False),
        ("v" * HISTORY, "m", True),
        ("v" * HISTORY, "v", False),
    ],
)
def test_each_result_is_compared_until_a_strike_is_made_good(
    letters: str, of_another_class: str, *, is_certain: bool
) -> None:
    of_all = ((CLASS, letters), ("gpu", of_another_class))
    records = [Record(NODE, name, False, "", found) for name, found in of_all]
    assert (odds_of(records, CLASS, 0.0, 0.01) == 1.0) is is_certain


@given(
    st.lists(st.integers(0, 10**6), max_size=60),
    st.integers(1, 10**6),
    st.floats(0.001, 1),
    st.floats(0, 120),
)
def test_ten_valid_results_of_a_units_size_are_needed_to_be_known_for_it(
    shares: list[int], share: int, least: float, waited: float
) -> None:
    record = [Record(NODE, CLASS, False, "", "v" * len(shares), sum(shares))]
    chance = odds_of(record, CLASS, waited, least, share)
    counts = record[0].reputation.valid_for(share)
    assert counts <= len(shares)
    assert counts * share <= sum(shares)
    assert chance == odds(counts, least, waited)
    if sum(shares) < ALWAYS_UNTIL * share:
        assert chance == 1.0
    if shares and min(shares) >= share:
        assert chance == odds(len(shares), least, waited), "each of the results was as large"
    smaller = odds_of(record, CLASS, waited, least, max(share // 2, 1))
    assert smaller <= chance, "a smaller unit is compared no more often"
