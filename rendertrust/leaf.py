"""A transfer as a leaf of the log: a public part, and a sealed commitment to each side.

A transfer has two sides: the debit of one account, and the credit of another. Each side is an
entry of the books. Entries of transfer n have the numbers 2n - 1 (debit) and 2n (credit), so two
entries have the same leaf. A leaf is UTF-8 text with one line per field, each ended by a newline,
in this order:

    rendertrust-transfer-v1
    transfer {transfer}               decimal
    time {created_at}                 UTC, microseconds: 2026-03-13T12:00:00.000000Z
    kind {kind}                       STRIPE, USAGE, ADJUSTMENT, REFUND, EARNING …
    amount {amount}                   units of 1/10,000 credit, above 0
    receipt {receipt}                 SHA-256 of the render receipt in hexadecimal, or -
    debit {commitment}                SHA-256 in hexadecimal
    credit {commitment}               SHA-256 in hexadecimal

A commitment is the hash of a salt and a side's private part. Each side has a salt of its own, 32
random bytes, so that a party can open its side and learns nothing about the other. The private
part:

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
from typing import Final, Literal, TypeAlias

VERSION: Final = "rendertrust-transfer-v1"
SALT_BYTES: Final = 32
SALTS_BYTES: Final = 2 * SALT_BYTES  # of a transfer: the debit's salt, then the credit's
Side: TypeAlias = Literal["debit", "credit"]


def side_of(entry_id: int) -> tuple[int, Side]:
    """Return the transfer of an entry, and the side that the entry is."""
    return (entry_id + 1) // 2, "debit" if entry_id % 2 else "credit"


def signed_amount(amount: int, side: Side) -> int:
    """Return the amount of an entry: a debit is below 0."""
    return -amount if side == "debit" else amount


def salt_of(salts: bytes, side: Side) -> bytes:
    """Return the salt of one side."""
    return salts[:SALT_BYTES] if side == "debit" else salts[SALT_BYTES:]


# The Sequencer hashes thousands of transfers at once. These functions create no object per leaf.


def private_bytes(
    account: str, version: int, before: int, after: int, *, reference: str, description: str
) -> bytes:
    """Return the private part of a side. Raises ValueError if a field contains a newline."""
    return _lines(
        f"account {account}\n"
        f"version {version}\n"
        f"before {before}\n"
        f"after {after}\n"
        f"reference {encode_basestring_ascii(reference)}\n"
        f"description {encode_basestring_ascii(description)}\n",
        6,
    )


def commitment(salt: bytes, private: bytes) -> bytes:
    """Return SHA-256(salt ‖ private part). Raises ValueError if the salt does not have 32 bytes."""
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes, not {len(salt)}")
    return hashlib.sha256(salt + private).digest()


def leaf_bytes(
    transfer: int,
    time: datetime,
    kind: str,
    amount: int,
    *,
    debit: bytes,
    credit: bytes,
    receipt: bytes | None = None,
) -> bytes:
    """Return the leaf's bytes; ``debit`` and ``credit`` are commitments, ``receipt`` is a hash.

    Raises ValueError if a field contains a newline.
    """
    return _lines(
        f"{VERSION}\n"
        f"transfer {transfer}\n"
        f"time {_instant(time)}\n"
        f"kind {kind}\n"
        f"amount {amount}\n"
        f"receipt {receipt.hex() if receipt else '-'}\n"
        f"debit {debit.hex()}\n"
        f"credit {credit.hex()}\n",
        8,
    )


@lru_cache(maxsize=64)
def _instant(time: datetime) -> str:
    """Format a time. Cached because the transfers of a batch share one time."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def _lines(text: str, count: int) -> bytes:
    if text.count("\n") != count:
        raise ValueError("a field contains a newline")
    return text.encode()
