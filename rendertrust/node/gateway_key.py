"""The gateway's identity: the node pins the key that signs the gateway's log.

TLS proves the host name. The pinned key proves that the gateway still has the same ledger. A new
key is accepted if the previous one also signs, as after a key rotation. Anybody can replay a
checkpoint, so the node sends a nonce, which the gateway must sign with the same key.
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
    """The gateway's key, which the node pins; None if the gateway has no key."""

    key: str | None


@attrs.frozen
class KeyChanged:
    """The gateway has another key than the pinned key."""

    reason: str


@attrs.frozen
class KeyUnknown:
    """The gateway did not respond, or cannot prove its key now. The node asks again later."""

    reason: str


Answer = KeyKnown | KeyChanged | KeyUnknown


async def ask(session: aiohttp.ClientSession, url: str, known: str | None) -> Answer:
    """Fetch the newest checkpoint from ``url`` and check it with the known key.

    The request contains no secret. It bypasses the session's middleware, which calls this function.
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
        return KeyKnown(None) if known is None else changed(url, "no longer shows a key")
    if status != 200:  # for example, because the log is still empty
        return KeyKnown(None) if known is None else KeyUnknown(f"{url} answered {status}")
    shown = held(url, content, known)
    if isinstance(shown, KeyKnown) and shown.key is not None:
        return answered(url, content, shown.key, known, nonce=nonce)
    return shown


async def is_gateway(session: aiohttp.ClientSession, url: str) -> bool:
    """Return True if ``/health`` answers anything but 404, as a gateway without a log also does."""
    try:
        async with session.get(url + HEALTH, timeout=TIMEOUT, allow_redirects=False) as response:
            return response.status != 404
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False


def unreached(url: str, fault: Exception) -> str:
    """Return a text that says why the URL cannot be reached."""
    if "WRONG_VERSION_NUMBER" in str(fault):
        return f"{url} does not speak https: ask its admins for the address"
    if isinstance(fault, aiohttp.ClientConnectorCertificateError):
        return f"cannot reach {url}: its certificate is not trusted by this machine"
    if isinstance(fault, TimeoutError):
        return f"cannot reach {url}: it did not answer in time"
    system = getattr(fault, "os_error", None)
    number = system.errno if isinstance(system, OSError) else None
    why = os.strerror(number) if number is not None and number > 0 else str(fault)
    return f"cannot reach {url}: {why or type(fault).__name__}"


def held(url: str, content: bytes, known: str | None) -> Answer:
    """Check a response with a checkpoint against the known key, if there is one."""
    try:
        members = orjson.loads(content)
        shown, signed = str(members["verifier"]), str(members["checkpoint"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return KeyUnknown(f"{url} shows no checkpoint") if known else KeyKnown(None)
    if known is not None and isinstance(damaged := note.read_verifier(known), NoteRefused):
        return changed(url, f"cannot be identified: the stored key is damaged ({damaged.reason})")
    key = note.read_verifier(shown)
    if isinstance(key, NoteRefused):
        return changed(url, f"shows an invalid key: {key.reason}")
    for signer in _signers(key, known):
        refused = checkpoint.read(signed, signer)
        if isinstance(refused, NoteRefused):
            return changed(url, f"has another key ({refused.reason})")
    return KeyKnown(shown)


def answered(
    url: str, content: bytes, shown: str, known: str | None, *, nonce: str
) -> KeyKnown | KeyUnknown:
    """Check that the keys that signed the checkpoint also signed the nonce.

    A failure does not prove that the key has changed, because a key rotation may be half done.
    After a failure the node waits and sends nothing.
    """
    answer = orjson.loads(content).get("answer")
    if not isinstance(answer, str):
        return KeyUnknown(
            f"{url} does not sign a nonce. Somebody may be replaying the gateway's "
            "responses; ask its admins."
        )
    key = note.read_verifier(shown)
    assert isinstance(key, Verifier), "held() has parsed this key before"
    for signer in _signers(key, known):
        reason = nonce_note.refusal(answer, signer, nonce)
        if reason is not None:
            return KeyUnknown(f"{url} does not show that it has its key now ({reason})")
    return KeyKnown(shown)


def _signers(shown: Verifier, known: str | None) -> list[Verifier]:
    """Return the keys that must have signed the checkpoint: the shown key, and the known key.

    The known key is renamed to the log's current origin, which a new epoch changes.
    """
    kept = None if known is None else note.read_verifier(known)
    return [shown, attrs.evolve(kept, name=shown.name)] if isinstance(kept, Verifier) else [shown]


def changed(url: str, how: str) -> KeyChanged:
    """Return a KeyChanged with the message for the operator."""
    return KeyChanged(
        f"the gateway at {url} {how}: it is not the one that this node joined. If its admins"
        f" told you why, run: rendertrust node join {url} {ACCEPT}"
    )
