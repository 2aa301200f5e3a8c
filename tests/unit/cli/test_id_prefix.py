"""Ids that people type: whole, as a beginning, or as a name."""

from collections.abc import AsyncIterator
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust.cli import exit_codes
from rendertrust.cli.command_exit import CommandExit
from rendertrust.cli.id_prefix import LEAST, SHOWN_MOST, IdParam, Listed, only
from rendertrust.client import AsyncClient

NODES = (
    Listed("1a2b3c4d-0000-4000-8000-000000000001", "Studio"),
    Listed("1a2b9999-0000-4000-8000-000000000002", "box"),
    Listed("7c9e6679-0000-4000-8000-000000000003", "BOX"),
    Listed("99999999-0000-4000-8000-000000000004", "1a2b"),
    Listed("5e000000-0000-4000-8000-000000000005", "steering", "steering\x1b[2J"),
)


async def listing(_: AsyncClient) -> AsyncIterator[Listed]:
    for node in NODES:
        yield node


NODE = IdParam("node", "rendertrust nodes list", listing)


async def meant(text: str) -> str:
    found = await NODE.meant(cast("AsyncClient", None), text)
    return only(text, found, "node", "rendertrust nodes list")


@pytest.mark.parametrize("text", ["studio", "Studio", "1a2b3", "1A2B3C4D", "1a2b3c4d-0000"])
async def test_a_name_or_a_beginning_that_only_one_has_is_enough(text: str) -> None:
    assert await meant(text) == NODES[0].id


@pytest.mark.parametrize(
    ("text", "listed"),
    [("box", (NODES[1], NODES[2])), ("1a2b", (NODES[0], NODES[1], NODES[3]))],
    ids=["a name", "a beginning and a name"],
)
async def test_what_may_mean_several_lists_them(text: str, listed: tuple[Listed, ...]) -> None:
    with pytest.raises(CommandExit) as caught:
        await meant(text)
    ending = caught.value.ending
    assert ending.code == exit_codes.USAGE
    assert ending.hint.splitlines() == [f"{one.id}  {one.name}" for one in listed]
    assert ending.facts == {"candidates": [one.id for one in listed]}


@pytest.mark.parametrize("text", ["stud", "1a2", "beef\x1b[2J"], ids=["part", "short", "harmful"])
async def test_what_nothing_has_says_where_to_look(text: str) -> None:
    with pytest.raises(CommandExit) as caught:
        await meant(text)
    assert caught.value.ending.code == exit_codes.NOT_FOUND
    assert caught.value.ending.hint == "See: rendertrust nodes list"
    assert "\x1b" not in caught.value.ending.detail


async def test_a_label_cannot_steer_the_terminal() -> None:
    (label,) = (await NODE.meant(cast("AsyncClient", None), "steering")).values()
    assert label == "steering\N{REPLACEMENT CHARACTER}[2J"


@given(st.integers(2, 3 * SHOWN_MOST))
def test_the_list_is_bounded(count: int) -> None:
    with pytest.raises(CommandExit) as caught:
        only("box", {f"id-{number}": "box" for number in range(count)}, "node", "")
    lines = caught.value.ending.hint.splitlines()
    assert len(lines) == (count if count <= SHOWN_MOST else SHOWN_MOST + 1)


@given(st.text("0123456789abcdef", min_size=LEAST, max_size=8))
async def test_a_beginning_never_means_an_id_that_begins_otherwise(text: str) -> None:
    found = await NODE.meant(cast("AsyncClient", None), text)
    assert all(id_.startswith(text) or NODES[3].id == id_ for id_ in found)
