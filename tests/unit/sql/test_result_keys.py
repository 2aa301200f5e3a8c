"""Which object-store keys the gateway opens as results of a user."""

from urllib.parse import quote
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sql.units import evidence_key, is_result_of, result_key

USER, OTHER, JOB = UUID(int=1), UUID(int=2), UUID(int=3)
NUMBERS = st.integers(min_value=0, max_value=10**7)


@given(st.uuids(), st.uuids(), NUMBERS, NUMBERS)
def test_derived_keys_are_the_users_own(user: UUID, job: UUID, unit: int, attempt: int) -> None:
    for key in (result_key(user, job, unit, attempt), evidence_key(user, job, unit, attempt)):
        assert is_result_of(user, key)
        assert not is_result_of(OTHER, key) or user == OTHER


@given(st.uuids(), st.uuids(), st.text())
def test_keys_of_another_user_are_refused(user: UUID, other: UUID, rest: str) -> None:
    assume(user != other)
    assert not is_result_of(user, f"results/{other}/{rest}")


@given(st.text(alphabet=st.sampled_from("ab/.%2eEfF\\ \n\x00é~?#:"), max_size=24))
def test_a_key_that_is_opened_stays_in_the_users_folder(rest: str) -> None:
    """No store, proxy or browser that decodes or shortens paths finds another object under it."""
    key = f"results/{USER}/{rest}"
    if is_result_of(USER, key):
        assert quote(key) == key
        assert not {"", ".", ".."} & set(key.split("/"))
        assert len(key.split("/")) > 2


@pytest.mark.parametrize(
    "key",
    [
        "",
        "results",
        "results/",
        f"results/{USER}",
        f"results/{USER}/",
        f"results/{USER}//frame.png",
        f"results/{USER}/../{OTHER}/{JOB}/0/1/result",
        f"results/{USER}/{JOB}/../../{OTHER}/result",
        f"results/{USER}/./result",
        f"results/{USER}/..",
        f"results/{USER}/%2e%2e/{OTHER}/result",
        f"results/{USER}/..%2f{OTHER}/result",
        f"results%2F{USER}/{JOB}/0/1/result",
        f"results/{USER}/{JOB}/0/1/result/",
        f"results/{USER}/{JOB}/0/1/result\n",
        f"results/{USER}/..\\{OTHER}\\result",
        f"results/{USER}0/{JOB}/0/1/result",
        f"/results/{USER}/{JOB}/0/1/result",
        f"results//{USER}/{JOB}/0/1/result",
        f"Results/{USER}/{JOB}/0/1/result",
        f"results/{str(USER).replace('-', '')}/{JOB}/0/1/result",
        f"results/{OTHER}/../{USER}/{JOB}/0/1/result",
        f"uploads/{USER}/scene.blend",
        f"uploads/{USER}/../../results/{USER}/{JOB}/0/1/result",
        f"s3://rendertrust/results/{USER}/{JOB}/0/1/result",
    ],
)
def test_odd_keys_are_refused(key: str) -> None:
    assert not is_result_of(USER, key)
