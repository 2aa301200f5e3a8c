"""A gateway without the newest log key does not replace the secret for random draws."""

from actors.node_session.sampling import READ_AGAIN
from sql.log import LogKeys
from tests.twins.signer import TwinSigner
from tests.unit.dispatch.test_sampling import KnownNodeStore, drawn, sampling
from tests.unit.simulated_time import simulated

ORIGIN = "farm.example/log"


def of_log(store: KnownNodeStore, *numbers: int) -> None:
    """Set the log's keys in the database, the newest last."""
    *_, newest = numbers
    store.log_keys = LogKeys(ORIGIN, [str(v) for v in TwinSigner(newest).verifiers(ORIGIN)])


@simulated
async def test_a_gateway_whose_key_does_not_count_checks_all_and_replaces_nothing() -> None:
    store = KnownNodeStore()
    of_log(store, 1)
    ours = sampling(store, TwinSigner(1), 1)
    first = await drawn(ours)
    kept = store.sealed_secret
    for seed in (2, 3):  # a restart of the gateway
        assert all(await drawn(sampling(store, TwinSigner(9), seed)))
        assert store.sealed_secret == kept
    assert await drawn(ours) == first
    assert await drawn(sampling(store, TwinSigner(1), 4)) == first


@simulated
async def test_a_gateway_whose_key_counts_replaces_what_it_cannot_open_once() -> None:
    store = KnownNodeStore()
    other = sampling(store, TwinSigner(9), 1)
    assert not all(await drawn(other)), "there was no secret to replace"
    of_log(store, 1)
    first = await drawn(sampling(store, TwinSigner(1), 2))
    kept = store.sealed_secret
    assert not all(first)
    await drawn(other, READ_AGAIN)
    assert all(await drawn(other)), "this gateway finds that its secret was replaced"
    assert store.sealed_secret == kept
    assert await drawn(sampling(store, TwinSigner(1), 3)) == first


@simulated
async def test_a_gateway_that_was_left_with_the_key_before_a_rotation_replaces_nothing() -> None:
    store = KnownNodeStore()
    of_log(store, 1)
    left = sampling(store, TwinSigner(1), 1)
    first = await drawn(left)
    of_log(store, 1, 2)
    assert await drawn(sampling(store, TwinSigner(2, 1), 2)) == first
    kept = store.sealed_secret
    await drawn(left, READ_AGAIN)
    assert all(await drawn(left))
    assert all(await drawn(sampling(store, TwinSigner(1), 3)))
    assert store.sealed_secret == kept
    assert await drawn(sampling(store, TwinSigner(2, 1), 4)) == first


@simulated
async def test_before_the_log_begins_nobody_replaces_a_secret() -> None:
    store = KnownNodeStore()
    await drawn(sampling(store, TwinSigner(1), 1))
    kept = store.sealed_secret
    assert all(await drawn(sampling(store, TwinSigner(9), 2)))
    assert store.sealed_secret == kept
