"""Codes of authenticator apps (TOTP, RFC 6238), and recovery codes."""

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import attrs
from pyotp.totp import TOTP

from actors.ports import Random

SECRET_BYTES: Final = 20
STEP_SECONDS: Final = 30
DRIFT: Final = 1  # steps that an app's clock may be ahead or behind
RECOVERY_CODES: Final = 10
RECOVERY_BYTES: Final = 10
CODE: Final = re.compile(r"[0-9]{6}", re.ASCII)


def text_of(secret: bytes) -> str:
    """Return the secret as apps take it by hand."""
    return base64.b32encode(secret).decode()


def address_of(secret: bytes, email: str, farm: str, host: str) -> str:
    """Return the ``otpauth`` address of the QR code.

    ``farm``: the farm's name; ``host`` tells several farms of one name apart.
    """
    issuer = f"{farm} {host}".replace(":", " ").strip()  # apps end the issuer at a colon
    return TOTP(text_of(secret), name=email, issuer=issuer).provisioning_uri()


def step_of(now: datetime) -> int:
    """Return the number of the step of a time."""
    return int(now.timestamp()) // STEP_SECONDS


def code_at(secret: bytes, step: int) -> str:
    """Return the code of a step."""
    return TOTP(text_of(secret)).generate_otp(step)


def matching_step(secret: bytes, code: str, now: datetime) -> int | None:
    """Return the newest step near ``now`` that has this code; None if none has it."""
    present = step_of(now)
    steps = range(present + DRIFT, present - DRIFT - 1, -1)
    # compares all, so that the time says nothing about the code
    fits = [step for step in steps if hmac.compare_digest(code_at(secret, step), code)]
    return fits[0] if fits else None


def plain_code(text: str) -> str | None:
    """Return a typed code of an app without spaces; None if it cannot be one."""
    code = "".join(text.split())
    return code if CODE.fullmatch(code) else None


@attrs.frozen
class RecoveryCodes:
    """New recovery codes: the texts for the user, and the hashes to store."""

    texts: tuple[str, ...] = attrs.field(repr=False)

    @property
    def hashes(self) -> Sequence[bytes]:
        return [recovery_digest(text) for text in self.texts]

    @property
    def shown(self) -> str:
        """Return the codes as a page shows them, one a line."""
        return "\n".join(self.texts)


def new_recovery_codes(random: Random) -> RecoveryCodes:
    """Return ten codes of 80 random bits each."""
    texts = (base64.b32encode(random.token(RECOVERY_BYTES)) for _ in range(RECOVERY_CODES))
    return RecoveryCodes(tuple(grouped(text.decode().lower()) for text in texts))


def grouped(text: str) -> str:
    """Return a code in groups of four characters."""
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def recovery_digest(text: str) -> bytes:
    """Return the hash of a code as typed. 80 random bits need no slow hash."""
    plain = "".join(c for c in text.lower() if c.isalnum())
    return hashlib.sha256(plain.encode()).digest()
