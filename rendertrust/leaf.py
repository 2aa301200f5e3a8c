"""A ledger entry as a leaf of the log: a public part, and a salted hash of the private part.

A receipt can be shown without showing the creator's balance. Whoever has the salt can prove the
private part. A leaf is UTF-8 text with one line per field, each ended by a newline, in this order:

    rendertrust-entry-v1
    entry {entry_id}                  decimal
    time {created_at}                 UTC, microseconds: 2026-03-13T12:00:00.000000Z
    kind {kind}                       STRIPE, USAGE, ADJUSTMENT, REFUND, EARNING …
    amount {amount}                   units of 1/10,000 credit, signed: a debit is below 0
    receipt {receipt}                 SHA-256 of the render receipt in hexadecimal, or -
    private {private}                 SHA-256 of the private part in hexadecimal

The private part is hashed with a salt of 32 random bytes per entry in front:

    account {account}                 its name
    version {version}                 number of the entry within the account
    before {before}                   units, signed
    after {after}                     units, signed
    reference {reference}             as a JSON string, ASCII
    description {description}         as a JSON string, ASCII
"""

import hashlib
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Final, Protocol

import attrs

VERSION: Final = "rendertrust-entry-v1"
SALT_BYTES: Final = 32


class Private(Protocol):
    """Interface of objects that have the fields of a private part, such as the ledger's entries."""

    @property
    def account(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def before(self) -> int: ...
    @property
    def after(self) -> int: ...
    @property
    def reference(self) -> str: ...
    @property
    def description(self) -> str: ...


@attrs.frozen
class PrivatePart:
    """Fields that only the account's owner sees. Balances in units of 1/10,000 credit."""

    account: str
    version: int
    before: int
    after: int
    reference: str
    description: str

    @property
    def canonical(self) -> bytes:
        """Return the bytes of the private part, which are hashed after the salt."""
        return private_bytes(self)

    def digest(self, salt: bytes) -> bytes:
        """Return SHA-256(salt ‖ private part).

        Raises ValueError if the salt does not have 32 bytes.
        """
        return private_hash(salt, self.canonical)


@attrs.frozen
class Leaf:
    """Public fields of an entry. ``private`` and ``receipt`` are hashes of 32 bytes."""

    entry_id: int
    time: datetime
    kind: str
    amount: int
    private: bytes
    receipt: bytes | None = None

    @property
    def canonical(self) -> bytes:
        """Return the bytes that are hashed into the tree."""
        hidden, receipt = self.private, self.receipt
        return leaf_bytes(
            self.entry_id, self.time, self.kind, self.amount, private=hidden, receipt=receipt
        )


# The Sequencer hashes thousands of entries at once. These functions create no object per entry.


def private_bytes(of: Private) -> bytes:
    """Return the bytes of the private part. Raises ValueError if a field contains a newline."""
    return _lines(
        f"account {of.account}\n"
        f"version {of.version}\n"
        f"before {of.before}\n"
        f"after {of.after}\n"
        f"reference {encode_basestring_ascii(of.reference)}\n"
        f"description {encode_basestring_ascii(of.description)}\n",
        6,
    )


def private_hash(salt: bytes, private: bytes) -> bytes:
    """Return SHA-256(salt ‖ private part). Raises ValueError if the salt does not have 32 bytes."""
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes, not {len(salt)}")
    return hashlib.sha256(salt + private).digest()


def leaf_bytes(
    entry_id: int, time: datetime, kind: str, amount: int, *, private: bytes, receipt: bytes | None
) -> bytes:
    """Return the leaf's bytes; ``private`` is a hash.

    Raises ValueError as ``private_bytes`` does.
    """
    return _lines(
        f"{VERSION}\n"
        f"entry {entry_id}\n"
        f"time {_instant(time)}\n"
        f"kind {kind}\n"
        f"amount {amount}\n"
        f"receipt {receipt.hex() if receipt else '-'}\n"
        f"private {private.hex()}\n",
        7,
    )


@lru_cache(maxsize=64)
def _instant(time: datetime) -> str:
    """Format a time. Cached because the entries of a batch share one time."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def _lines(text: str, count: int) -> bytes:
    if text.count("\n") != count:
        raise ValueError("a field contains a newline")
    return text.encode()
