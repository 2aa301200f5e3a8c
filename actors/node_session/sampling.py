"""Sampling: decides at random, with a secret that all gateways share, which deliveries are
compared.
"""

import logging
from typing import Final

from actors.ledger.effects import UnitDeliver
from actors.ports import CheckpointSigner, Random, Store
from rendertrust.receipt import drawing_of
from sql.sampling import draw, odds_of, unit_name
from sql.units import Kind

SECRET_BYTES: Final = 32
NONCE_BYTES: Final = 12
READ_AGAIN: Final = 100  # draws after which the secret is read again, as it may have changed
ASSEMBLED: Final[tuple[Kind, ...]] = ("merged", "video")  # their checks take little time
log = logging.getLogger(__name__)


class Sampling:
    """Draws random numbers for the deliveries in all sessions of a gateway.

    The gateways share one secret in the database, sealed with the log's key. A gateway with the
    newest key of the log replaces a secret that it cannot open, as no gateway can open it then. A
    gateway without the newest key that cannot open the secret has all its deliveries compared.
    """

    def __init__(
        self, store: Store, signer: CheckpointSigner, random: Random, least_odds: float
    ) -> None:
        self._store, self._signer, self._random = store, signer, random
        self._least_odds = least_odds
        self._secret: bytes | None = None
        self._draws_left = 0  # draws with this secret before it is read again
        self._is_logged = False  # an error about the missing secret was logged

    async def draw(
        self, delivery: UnitDeliver, price: int, kind: Kind = "frame"
    ) -> tuple[float, float]:
        """Return a random number for the delivery, and the odds that its node's record requires.

        The delivery is compared if the number is below the odds. ``price`` and ``kind``: the price
        and kind of the unit. Raises Unavailable.
        """
        records = await self._store.records([delivery.node])
        waited = await self._store.longest_wait()
        share = price * delivery.result.share_percent // 100
        odds = odds_of(records, delivery.device_class, waited, self._least_odds, share)
        if drawing_of(delivery.work) is not None:
            odds = 1.0  # always compare: EEVEE frames by other drivers may differ without a strike
        if price == 0 and kind in ASSEMBLED:
            odds = 1.0  # if invalid, it costs no share and no fine, so sampling would not deter
        secret = await self._read()
        if secret is None:
            return 0.0, 1.0
        name = unit_name(delivery.job, delivery.unit, delivery.attempt)
        return draw(secret, b"drawn", name, delivery.result.sha256 or b""), odds

    async def _read(self) -> bytes | None:
        """Return the shared secret, after creating, replacing or sealing it again if necessary.

        None if this gateway's key of the log cannot open it.
        """
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
        if secret is None and not self._is_logged:
            log.error("all deliveries are compared: the gateways have different keys of the log")
        self._is_logged = secret is None
        self._secret, self._draws_left = secret, READ_AGAIN - 1
        return secret

    async def _has_newest_key(self) -> bool:
        """Return whether this gateway signs the log with its newest key."""
        known = await self._store.newest_log_keys()
        if known is None:
            return False
        ours, *_ = self._signer.verifiers(known.origin)
        return str(ours) in known.verifiers

    async def _keep(self, secret: bytes, instead_of: bytes | None) -> None:
        sealed = self._signer.seal(secret, self._random.token(NONCE_BYTES))
        await self._store.keep_draw_secret(sealed, instead_of)

    def _is_aged(self, secret: bytes, sealed: bytes | None) -> bool:
        """Return whether the secret is still sealed with the previous key of the log.

        Gateways lose the previous key at the next rotation; no gateway could open the secret then.
        """
        nonce = (sealed or b"")[:NONCE_BYTES]
        return sealed != self._signer.seal(secret, nonce)
