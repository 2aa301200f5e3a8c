"""Passkeys (WebAuthn) as second factor: options for browsers, and checks of their answers."""

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

import attrs
import orjson
import structlog
from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from webauthn.registration.verify_registration_response import VerifiedRegistration

from sql.passkeys import ChallengeOwner, PasskeyRow, Purpose
from sql.second_factors import NewFactor
from web.gateway import Gateway
from web.identity.totp import RecoveryCodes, new_recovery_codes

log = structlog.get_logger("passkeys")

CHALLENGE_BYTES: Final = 32
CHALLENGE_LASTS: Final = timedelta(minutes=5)
ANSWER_MAX: Final = 20_000  # characters of a browser's answer


@attrs.frozen
class PasskeySite:
    """The site for which passkeys are made, as browsers see it: origin, and host name (RP id)."""

    origin: str
    rp_id: str


@attrs.frozen
class PasskeyHolder:
    """A user in one session, or in one sign-in that waits, at a site.

    ``site``: None where browsers offer no passkeys. ``session``: None in a sign-in that waits.
    """

    user: UUID
    holder: bytes = attrs.field(repr=False)
    site: PasskeySite | None
    session: UUID | None = None

    def owner(self, purpose: Purpose) -> ChallengeOwner:
        return ChallengeOwner(self.holder, self.user, purpose)


def holder_of_session(sid: UUID) -> bytes:
    """Return the hash by which challenges belong to a session."""
    return hashlib.sha256(b"session" + sid.bytes).digest()


async def offered(gateway: Gateway, holder: PasskeyHolder) -> str:
    """Return the options, as JSON, with which the browser asks for a passkey; '' if none can be
    used here.
    """
    if holder.site is None:
        return ""
    known = [row for row in await gateway.tables.passkeys.of(holder.user) if fits(row, holder)]
    if not known:
        return ""
    options = generate_authentication_options(
        rp_id=holder.site.rp_id,
        challenge=await _challenge(gateway, holder, Purpose.GIVE),
        allow_credentials=descriptors(known),
        user_verification=UserVerificationRequirement.PREFERRED,
    )
    return options_to_json(options)


async def is_passkey_right(gateway: Gateway, holder: PasskeyHolder, answer: str) -> bool:
    """Use a passkey; False if the answer is wrong, late, or was given before."""
    now = gateway.ports.clock.now()
    challenge = await gateway.tables.passkeys.take_challenge(holder.owner(Purpose.GIVE), now)
    if challenge is None or holder.site is None:
        return False
    credential = credential_of(answer)
    rows = await gateway.tables.passkeys.of(holder.user)
    row = next((row for row in rows if fits(row, holder) and row.credential == credential), None)
    counter = None if row is None else counter_of(answer, challenge, holder.site, row)
    if row is None or counter is None:
        log.warning("a passkey was refused", user=str(holder.user))
        return False
    return await gateway.tables.passkeys.use(holder.user, row.id, counter, now)


async def new_passkey_options(gateway: Gateway, holder: PasskeyHolder, email: str) -> str:
    """Return the options, as JSON, with which the browser makes a passkey; '' where it cannot."""
    if holder.site is None:
        return ""
    known = await gateway.tables.passkeys.of(holder.user)
    options = generate_registration_options(
        rp_id=holder.site.rp_id,
        rp_name=gateway.settings.farm_name,
        user_name=email,
        user_id=holder.user.bytes,
        challenge=await _challenge(gateway, holder, Purpose.ADD),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.DISCOURAGED,  # the password says who signs in
            user_verification=UserVerificationRequirement.PREFERRED,
        ),
        exclude_credentials=descriptors(known),
    )
    return options_to_json(options)


async def add_passkey(
    gateway: Gateway, holder: PasskeyHolder, name: str, answer: str, *, first: bool
) -> RecoveryCodes | bool:
    """Register a passkey; False if the answer is wrong, late, or was given before.

    Return recovery codes if the user had none. ``first``: the user has no factor. The first factor
    ends the user's other sessions. Raises PasskeyTaken, also if ``first`` is no longer right.
    """
    now = gateway.ports.clock.now()
    challenge = await gateway.tables.passkeys.take_challenge(holder.owner(Purpose.ADD), now)
    if challenge is None or holder.site is None:
        return False
    made = registered(answer, challenge, holder.site)
    if made is None:
        return False
    row = PasskeyRow(
        id=gateway.ports.random.uuid(),
        credential=made.credential_id,
        public_key=made.credential_public_key,
        rp_id=holder.site.rp_id,
        counter=made.sign_count,
        name=name,
        created_at=now,
    )
    codes = new_recovery_codes(gateway.ports.random)
    new = NewFactor(holder.user, holder.session, first, codes.hashes, now)
    done = await gateway.tables.passkeys.add(new, row)
    gateway.identity.revocations.add(*done.ended)
    log.info("a passkey was registered", user=str(holder.user))
    return codes if done.with_codes else True


def registered(answer: str, challenge: bytes, site: PasskeySite) -> VerifiedRegistration | None:
    """Return the passkey of an answer; None if the answer is wrong."""
    try:
        return verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=site.rp_id,
            expected_origin=site.origin,
        )
    except Exception as error:  # whatever a stranger's bytes make the package raise
        log.info("a new passkey was refused", reason=type(error).__name__)
        return None


def counter_of(answer: str, challenge: bytes, site: PasskeySite, row: PasskeyRow) -> int | None:
    """Return the new counter of signatures; None if the answer is wrong.

    Checks origin, RP id, challenge, the user's presence, the signature, and that the counter grew.
    """
    try:
        found = verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=site.rp_id,
            expected_origin=site.origin,
            credential_public_key=row.public_key,
            credential_current_sign_count=row.counter,
        )
    except Exception as error:  # whatever a stranger's bytes make the package raise
        log.info("a passkey's answer is wrong", reason=type(error).__name__)
        return None
    return found.new_sign_count


def credential_of(answer: str) -> bytes | None:
    """Return the id of the credential that an answer names; None if it is malformed."""
    try:
        return base64url_to_bytes(orjson.loads(answer)["rawId"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def fits(row: PasskeyRow, holder: PasskeyHolder) -> bool:
    """Return True if the passkey was made for the holder's site."""
    return holder.site is not None and row.rp_id == holder.site.rp_id


def descriptors(rows: Sequence[PasskeyRow]) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=row.credential) for row in rows]


async def _challenge(gateway: Gateway, holder: PasskeyHolder, purpose: Purpose) -> bytes:
    """Store a new challenge, and return it."""
    challenge = gateway.ports.random.token(CHALLENGE_BYTES)
    until = gateway.ports.clock.now() + CHALLENGE_LASTS
    await gateway.tables.passkeys.put_challenge(holder.owner(purpose), challenge, until)
    return challenge
