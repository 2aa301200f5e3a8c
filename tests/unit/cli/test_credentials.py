"""The command line's file of logins."""

import asyncio
import json
import stat
from pathlib import Path

import pytest

from rendertrust.cli.credentials import CredentialsFile
from rendertrust.client import Tokens

HERE, THERE = "http://localhost:8000", "https://farm.example"


@pytest.fixture
def file(tmp_path: Path) -> CredentialsFile:
    return CredentialsFile(tmp_path / "rendertrust" / "credentials.json")


def test_without_a_file_nobody_is_logged_in(file: CredentialsFile) -> None:
    assert (file.current(), file.tokens(HERE), file.email(HERE)) == (None, None, None)


def test_logins_of_several_gateways_stand_side_by_side(file: CredentialsFile) -> None:
    file.keep(HERE, Tokens("a", "b"), "jane@example.com")
    file.keep(THERE, Tokens("c", "d"), "joe@example.com")
    assert file.current() == THERE
    assert file.tokens(HERE) == Tokens("a", "b")
    assert file.email(THERE) == "joe@example.com"


def test_a_renewal_changes_neither_who_nor_where(file: CredentialsFile) -> None:
    file.keep(HERE, Tokens("a", "b"), "jane@example.com")
    file.keep(THERE, Tokens("c", "d"), "joe@example.com")
    file.keeper(HERE).write(Tokens("e", "f"))
    assert file.current() == THERE
    assert file.email(HERE) == "jane@example.com"
    assert file.keeper(HERE).read() == Tokens("e", "f")


def test_it_is_its_owners_alone_even_where_it_was_not(file: CredentialsFile) -> None:
    file.prepare()
    file.path.write_text("{}")
    file.path.chmod(0o644)
    file.keep(HERE, Tokens("a", "b"), "jane@example.com")
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "5", '{"logins": 5}', '{"logins": {"http://localhost:8000": {"email": 5}}}'],
)
def test_a_broken_file_is_no_login_and_is_replaced_by_the_next(
    file: CredentialsFile, content: str
) -> None:
    file.prepare()
    file.path.write_text(content)
    assert file.tokens(HERE) is None
    assert file.current() is None
    file.keep(HERE, Tokens("a", "b"), "jane@example.com")
    assert file.tokens(HERE) == Tokens("a", "b")


async def test_one_renews_at_a_time(file: CredentialsFile) -> None:
    order: list[str] = []

    async def renew(name: str) -> None:
        async with file.renewing():
            order.append(f"{name} in")
            await asyncio.sleep(0)
            file.keep(HERE, Tokens(name, name), name)
            order.append(f"{name} out")

    await asyncio.gather(renew("a"), renew("b"), renew("c"))
    assert [words.split()[1] for words in order] == ["in", "out"] * 3


def test_nothing_else_is_left_beside_it(file: CredentialsFile) -> None:
    file.keep(HERE, Tokens("a", "b"), "jane@example.com")
    json.loads(file.path.read_text())
    names = {path.name for path in file.path.parent.iterdir()}
    assert names == {"credentials.json", ".credentials.write.lock"}
