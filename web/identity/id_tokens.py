"""ID tokens of OpenID Connect: checks of their signature and their claims (pure)."""

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

import attrs
import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

TOKEN_MAX: Final = 64 << 10  # characters
SUBJECT_MAX: Final = 255  # OpenID Connect Core 2
LEEWAY_SECONDS: Final = 120  # how far the clocks of the provider and the gateway may differ
TIME_MAX: Final = 253_402_300_799  # the end of the year 9999
OLD_SECONDS: Final = 3_600  # a token that was issued earlier is refused, however long it is valid
RSA_BYTES_MIN: Final = 256
# Only signatures with the provider's private key. With HS256, the public key could be the secret.
ALGORITHMS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
}
CURVES: Final = ("P-256", "P-384", "P-521")  # of the algorithms above
PublicKeyData: TypeAlias = Mapping[str, Any]  # a JSON web key


class TokenRefused(Exception):
    """The ID token is not the provider's answer to this sign-in; the text is for the log."""


class KeyUnknown(TokenRefused):
    """No key of the provider fits the token's header; the provider may have new keys."""


@attrs.frozen
class ExpectedToken:
    """The values that an ID token must have."""

    issuer: str
    client_id: str
    nonce: str = attrs.field(repr=False)


def claims_of_token(
    token: str, keys: Sequence[PublicKeyData], expected: ExpectedToken, now: datetime
) -> Mapping[str, Any]:
    """Return the claims of an ID token. Raises TokenRefused, or KeyUnknown."""
    if len(token) > TOKEN_MAX or not token.isascii():
        raise TokenRefused("the token is too long")
    header = _header(token)
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise TokenRefused("the token is not signed with a public-key algorithm")
    if "crit" in header:
        raise TokenRefused("the token has critical headers")
    for key in _keys_for(header, algorithm, keys):
        try:
            claims = jwt.decode(token, _imported(key), algorithms=[algorithm]).claims
        except (JoseError, ValueError, TypeError, RecursionError):
            continue
        _check(claims, expected, now.timestamp())
        return claims
    raise TokenRefused("the signature is invalid")


def _header(token: str) -> Mapping[str, Any]:
    try:
        part = token.split(".", 1)[0]
        header: Any = orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, binascii.Error) as error:
        raise TokenRefused("the token has no header") from error
    if token.count(".") != 2 or not isinstance(header, dict):
        raise TokenRefused("the token is not a signed token")
    return header


def _keys_for(
    header: Mapping[str, Any], algorithm: str, keys: Sequence[PublicKeyData]
) -> list[PublicKeyData]:
    """Return the keys that may have signed the token. Raises KeyUnknown."""
    kid = header.get("kid")
    found = [
        key
        for key in keys
        if key.get("kty") == ALGORITHMS[algorithm]
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
        and (kid is None or key.get("kid") == kid)
    ]
    if not found:
        raise KeyUnknown("no key of the provider fits the token")
    return found


def _imported(key: PublicKeyData) -> RSAKey | ECKey:
    """Return the public part of a key. Raises JoseError or ValueError."""
    if key["kty"] == "RSA":
        public = _members(key, "kty", "n", "e")
        if len(str(public["n"])) * 3 // 4 < RSA_BYTES_MIN:
            raise ValueError("the RSA key is too short")
        return RSAKey.import_key(public)
    if key.get("crv") not in CURVES:
        raise ValueError("the curve is unknown")
    return ECKey.import_key(_members(key, "kty", "crv", "x", "y"))


def _members(key: PublicKeyData, *names: str) -> dict[str, Any]:
    return {name: key.get(name) for name in names}


def _check(claims: Mapping[str, Any], expected: ExpectedToken, now: float) -> None:
    if claims.get("iss") != expected.issuer:
        raise TokenRefused("the token is of another issuer")
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or expected.client_id not in audiences:
        raise TokenRefused("the token is for another client")
    if len(audiences) > 1 and "azp" not in claims:
        raise TokenRefused("the token is for several clients")
    if claims.get("azp", expected.client_id) != expected.client_id:
        raise TokenRefused("the token was issued to another client")
    expires, issued = _time(claims, "exp"), _time(claims, "iat")
    if expires <= now - LEEWAY_SECONDS:
        raise TokenRefused("the token has expired")
    if not now - OLD_SECONDS <= issued <= now + LEEWAY_SECONDS:
        raise TokenRefused("the token was not issued just now")
    if "nbf" in claims and _time(claims, "nbf") > now + LEEWAY_SECONDS:
        raise TokenRefused("the token is not valid yet")
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(
        nonce.encode(errors="replace"), expected.nonce.encode()
    ):
        raise TokenRefused("the token is for another sign-in")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_MAX:
        raise TokenRefused("the token has no subject")
    if not subject.isascii() or not subject.isprintable():
        raise TokenRefused("the token's subject is not in ASCII")


def _time(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenRefused(f"the token has no {name}")
    if not 0 <= value <= TIME_MAX:  # NaN is not
        raise TokenRefused(f"the token's {name} is no time")
    return value
