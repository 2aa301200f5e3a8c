"""Sampling: draws a number for each delivery, by a secret that all gateways share."""

import logging
from typing import Final

from actors.ledger.messages import UnitDeliver
from actors.ports import CheckpointSigner, Random, Store
from rendertrust.receipt import drawing_of
from sql.sampling import draw, odds_of, unit_name

SECRET_BYTES: Final = 32
NONCE_BYTES: Final = 12
READ_AGAIN: Final = 100  # draws, after which it is read whether the secret was replaced
log = logging.getLogger(__name__)


class Sampling:
    """Draws for all sessions of a gateway.

    All gateways share one secret, which the database keeps, sealed with the log's key. A secret
    that a gateway cannot open is replaced only by a gateway with the newest key of the log: nobody
    else can open it then. Any other gateway has a wrong key, and has all deliveries checked.
    """

    def __init__(
        self, store: Store, signer: CheckpointSigner, random: Random, least_odds: float
    ) -> None:
        self._store, self._signer, self._random = store, signer, random
        self._least_odds = least_odds
        self._secret: bytes | None = None
        self._draws_left = 0  # with this secret, before it is read again
        self._told = False  # that all deliveries are checked

    async def draw(self, delivery: UnitDeliver, price: int) -> tuple[float, float]:
        """Return the number of the delivery of a unit at this ``price``, and the odds that the
        record of its node asks for.

        It is compared if the number is below the odds. Raises Unavailable.
        """
        records = await self._store.records([delivery.node])
        waited = await self._store.longest_wait()
        share = price * delivery.result.share_percent // 100
        odds = odds_of(records, delivery.device_class, waited, self._least_odds, share)
        if drawing_of(delivery.work) is not None:
            odds = 1.0  # to differ from a frame by another driver is no strike
        secret = await self._read()
        if secret is None:
            return 0.0, 1.0
        name = unit_name(delivery.job, delivery.unit, delivery.attempt)
        return draw(secret, b"drawn", name, delivery.result.sha256 or b""), odds

    async def _read(self) -> bytes | None:
        """Return the secret, made where there is none; None where this gateway's key is wrong."""
        if self._secret is not None and self._draws_left > 0:
            self._draws_left -= 1
            return self._secret
        sealed = await self._store.draw_secret()
        secret = None if sealed is None else self._signer.unseal(sealed)
        if secret is None:
            replaces = sealed is None or await self._has_newest_key()
            made = self._random.token(SECRET_BYTES) if replaces else None
        else:
            made = secret if self._is_aged(secret, sealed) else None
        if made is not None:
            await self._keep(made, sealed)
            sealed = await self._store.draw_secret()
            secret = None if sealed is None else self._signer.unseal(sealed)
        if secret is None and not self._told:
            log.error("all deliveries are checked: the gateways have different keys of the log")
        self._told = secret is None
        self._secret, self._draws_left = secret, READ_AGAIN - 1
        return secret

    async def _has_newest_key(self) -> bool:
        """Return whether the key that this gateway signs with is the newest that counts."""
        known = await self._store.newest_log_keys()
        if known is None:
            return False
        ours, *_ = self._signer.verifiers(known.origin)
        return str(ours) in known.verifiers

    async def _keep(self, secret: bytes, instead_of: bytes | None) -> None:
        sealed = self._signer.seal(secret, self._random.token(NONCE_BYTES))
        await self._store.keep_draw_secret(sealed, instead_of)

    def _is_aged(self, secret: bytes, sealed: bytes | None) -> bool:
        """Return whether the secret is still sealed with the previous key of the log. After the
        next rotation that key is gone, and nobody could open it.
        """
        nonce = (sealed or b"")[:NONCE_BYTES]
        return sealed != self._signer.seal(secret, nonce)
