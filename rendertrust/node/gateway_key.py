"""Which gateway this is: the key that signs its log is kept, and no other is followed unasked.

TLS says who owns the name; this says whether the same books are behind it as when the node joined.
A new key is followed where the one before it signs beside it, as gateways do after a rotation.
A checkpoint can be repeated by anybody, so a nonce is sent along, which the gateway signs with the
same key.
"""

import os
import secrets
from typing import Final

import aiohttp
import attrs
import orjson

from rendertrust import checkpoint, nonce_note, note
from rendertrust.note import NoteRefused, Verifier

PATH: Final = "/api/v1/ledger/checkpoint"
HEALTH: Final = "/health"
ANSWER_BYTES_MAX: Final = 1024 * 1024
TIMEOUT: Final = aiohttp.ClientTimeout(total=20, connect=10)
ACCEPT: Final = "--accept-new-key"


@attrs.frozen
class KeyKnown:
    """The gateway's key, to be kept; None: it has none, as the plain reference."""

    key: str | None


@attrs.frozen
class KeyChanged:
    """It is not the gateway that was joined."""

    reason: str


@attrs.frozen
class KeyUnknown:
    """It does not say now: ask later."""

    reason: str


Answer = KeyKnown | KeyChanged | KeyUnknown


async def ask(session: aiohttp.ClientSession, url: str, known: str | None) -> Answer:
    """Ask the gateway at ``url`` for its newest checkpoint, and hold it against the key. It goes
    past what guards the session: it shows nothing.
    """
    nonce = secrets.token_hex(32)
    try:
        async with session.get(
            url + PATH,
            params={"nonce": nonce},
            timeout=TIMEOUT,
            allow_redirects=False,
            middlewares=(),
        ) as response:
            status, content = response.status, await response.content.read(ANSWER_BYTES_MAX)
    except (aiohttp.ClientError, TimeoutError, OSError) as fault:
        return KeyUnknown(unreached(url, fault))
    if status == 404:
        return KeyKnown(None) if known is None else changed(url, "shows no key any more")
    if status != 200:  # its log may not have begun yet
        return KeyKnown(None) if known is None else KeyUnknown(f"{url} answered {status}")
    shown = held(url, content, known)
    if isinstance(shown, KeyKnown) and shown.key is not None:
        return answered(url, content, shown.key, known, nonce=nonce)
    return shown


async def is_gateway(session: aiohttp.ClientSession, url: str) -> bool:
    """Whether there is one at all; one that has no log, too."""
    try:
        async with session.get(url + HEALTH, timeout=TIMEOUT, allow_redirects=False) as response:
            return response.status != 404
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False


def unreached(url: str, fault: Exception) -> str:
    """Why nobody answers there."""
    if "WRONG_VERSION_NUMBER" in str(fault):
        return f"{url} does not speak https: ask those who run it for its address"
    if isinstance(fault, aiohttp.ClientConnectorCertificateError):
        return f"cannot reach {url}: its certificate is not trusted by this machine"
    if isinstance(fault, TimeoutError):
        return f"cannot reach {url}: it did not answer in time"
    system = getattr(fault, "os_error", None)
    number = system.errno if isinstance(system, OSError) else None
    why = os.strerror(number) if number is not None and number > 0 else str(fault)
    return f"cannot reach {url}: {why or type(fault).__name__}"


def held(url: str, content: bytes, known: str | None) -> Answer:
    """A checkpoint's answer against the key that is known, if one is."""
    try:
        members = orjson.loads(content)
        shown, signed = str(members["verifier"]), str(members["checkpoint"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return KeyUnknown(f"{url} shows no checkpoint") if known else KeyKnown(None)
    if known is not None and isinstance(damaged := note.read_verifier(known), NoteRefused):
        return changed(url, f"cannot be told: the key that is kept is damaged ({damaged.reason})")
    key = note.read_verifier(shown)
    if isinstance(key, NoteRefused):
        return changed(url, f"shows a key that is none: {key.reason}")
    for signer in _signers(key, known):
        refused = checkpoint.read(signed, signer)
        if isinstance(refused, NoteRefused):
            return changed(url, f"has another key ({refused.reason})")
    return KeyKnown(shown)


def answered(
    url: str, content: bytes, shown: str, known: str | None, *, nonce: str
) -> KeyKnown | KeyUnknown:
    """The answer to our nonce, by the keys that signed the checkpoint.

    Where it fails nobody is known to be another gateway: a rotation may be half done. So the node
    waits, and shows nothing.
    """
    answer = orjson.loads(content).get("answer")
    if not isinstance(answer, str):
        return KeyUnknown(
            f"{url} does not sign a nonce. Somebody may be repeating an answer of the gateway;"
            " ask those who run it."
        )
    key = note.read_verifier(shown)
    assert isinstance(key, Verifier), "the checkpoint was held against it"
    for signer in _signers(key, known):
        reason = nonce_note.refusal(answer, signer, nonce)
        if reason is not None:
            return KeyUnknown(f"{url} does not show that it has its key now ({reason})")
    return KeyKnown(shown)


def _signers(shown: Verifier, known: str | None) -> list[Verifier]:
    """Return the keys that must have signed: the key that is shown, and the known one.

    The known key gets the log's current name, which an epoch changes.
    """
    kept = None if known is None else note.read_verifier(known)
    return [shown, attrs.evolve(kept, name=shown.name)] if isinstance(kept, Verifier) else [shown]


def changed(url: str, how: str) -> KeyChanged:
    """What the owner of the node reads."""
    return KeyChanged(
        f"the gateway at {url} {how}: it is not the one that this node joined. If those who run it"
        f" told you why, run: rendertrust node join {url} {ACCEPT}"
    )
