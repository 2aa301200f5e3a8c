"""Passwords, hashed by argon2 in a few threads, so that the event loop never waits for a hash."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

R = TypeVar("R")

THREADS = 2
WAITING_MAX = 64
MEMORY_KIB = 19_456  # of a hash with two passes and one lane, as OWASP recommends: some 20 ms


class Overloaded(Exception):
    """More passwords wait to be hashed than can be done in reasonable time."""


def hasher() -> PasswordHasher:
    """Return the argon2id hasher."""
    return PasswordHasher(time_cost=2, memory_cost=MEMORY_KIB, parallelism=1, type=Type.ID)


class Passwords:
    """Hashes in a few threads, and refuses if too many passwords wait."""

    def __init__(self) -> None:
        self._hasher = hasher()
        # At normal priority: a lower one starves on a busy machine, and saves the loop no delay.
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="passwords")
        self._waiting = 0
        # Compared for unknown e-mails, so that a refusal takes as long as for a wrong password.
        self._nobody = self._hasher.hash("an unknown user's password")

    async def hash(self, password: str) -> str:
        """Return the hash to store. Raises Overloaded."""
        return await self._run(self._hash, password, "")

    async def matches(self, password: str, kept: str | None) -> bool:
        """Return True if the password matches the hash.

        Without a hash, return False after the same time. Raises Overloaded.
        """
        return await self._run(self._matches, password, kept or self._nobody) and kept is not None

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[str, str], R], password: str, kept: str) -> R:
        if self._waiting >= WAITING_MAX:
            raise Overloaded
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, work, password, kept)
        finally:
            self._waiting -= 1

    def _hash(self, password: str, _: str) -> str:
        return self._hasher.hash(password)

    def _matches(self, password: str, kept: str) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False
