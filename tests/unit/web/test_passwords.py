"""Passwords are hashed outside the event loop, and only a few at a time."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.support.cheap_passwords import REAL_KIB
from web.identity.passwords import WAITING_MAX, Overloaded, Passwords


@pytest.fixture
def passwords(monkeypatch: pytest.MonkeyPatch) -> Iterator[Passwords]:
    monkeypatch.setattr("web.identity.passwords.MEMORY_KIB", REAL_KIB)
    made = Passwords()
    yield made
    made.close()


async def test_a_password_fits_its_own_hash_alone(passwords: Passwords) -> None:
    kept = await passwords.hash("a long password")
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await passwords.matches("a long password", kept)
    assert not await passwords.matches("another password", kept)


async def test_nobody_is_let_in_without_a_hash(passwords: Passwords) -> None:
    assert not await passwords.matches("an unknown user's password", None)
    assert not await passwords.matches("anything", "no hash")


async def test_too_many_at_once_are_told_so(passwords: Passwords) -> None:
    waiting = [asyncio.ensure_future(passwords.matches("a", None)) for _ in range(WAITING_MAX)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await passwords.matches("a", None)
    passwords.close()
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
