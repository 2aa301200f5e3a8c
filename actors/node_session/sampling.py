"""Sampling: decides, once for each delivery, whether it is checked."""

import logging
from typing import Final

from actors.ports import Random, Sealer, Store
from actors.verifier.messages import UnitDeliver
from sql.sampling import chance_of, is_drawn, unit_name

SECRET_BYTES: Final = 32
NONCE_BYTES: Final = 12
log = logging.getLogger(__name__)


class Sampling:
    """Draws for all sessions of a gateway.

    All gateways share one secret, which the database keeps, sealed with the log's key. A secret
    that cannot be opened any more (after two rotations of that key) is replaced.
    """

    def __init__(self, store: Store, sealer: Sealer, random: Random, least_odds: float) -> None:
        self._store, self._sealer, self._random = store, sealer, random
        self._least_odds = least_odds
        self._secret: bytes | None = None

    async def draw(self, delivery: UnitDeliver) -> bool:
        """Decide whether this delivery is checked. Raises Unavailable."""
        records = await self._store.records([delivery.node])
        chance = chance_of(records, delivery.device_class, self._least_odds)
        secret = await self._read()
        if secret is None:
            return True
        name = unit_name(delivery.job, delivery.unit, delivery.attempt)
        return is_drawn(secret, name, delivery.sha256 or b"", chance)

    async def _read(self) -> bytes | None:
        """The secret, made where there is none; None: another gateway seals it with another key."""
        if self._secret is None:
            sealed = await self._store.draw_secret()
            secret = None if sealed is None else self._sealer.unseal(sealed)
            if secret is None or self._is_aged(secret, sealed):
                await self._keep(secret or self._random.token(SECRET_BYTES), sealed)
                sealed = await self._store.draw_secret()
                secret = None if sealed is None else self._sealer.unseal(sealed)
            if secret is None:
                log.error("all deliveries are checked: gateways have different keys of the log")
            self._secret = secret
        return self._secret

    async def _keep(self, secret: bytes, instead_of: bytes | None) -> None:
        sealed = self._sealer.seal(secret, self._random.token(NONCE_BYTES))
        await self._store.keep_draw_secret(sealed, instead_of)

    def _is_aged(self, secret: bytes, sealed: bytes | None) -> bool:
        """Return whether the secret is still sealed with the previous key of the log. After the
        next rotation that key is gone, and nobody could open it.
        """
        nonce = (sealed or b"")[:NONCE_BYTES]
        return sealed != self._sealer.seal(secret, nonce)
