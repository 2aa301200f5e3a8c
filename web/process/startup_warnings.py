"""Warnings at the start of a gateway about risks of its settings."""

from typing import Final

import structlog

from config.settings import Settings

UNVERIFIED: Final = "results are not verified: each is settled as unverified once it is delivered"
UNPAID: Final = ", and its node is not paid, as credits cost money here"
UNABLE: Final = "this gateway cannot verify results on this machine: "

EXPOSED: Final = (
    "INSECURE: a gateway in development serves other machines. All who reach it have free credits,"
    " and nodes need no proof of their key. Pay out no money"
)

log = structlog.get_logger("service")


def warn_of(settings: Settings, why_not: str | None = None) -> None:
    """Log a warning for each risk, with the setting that causes it.

    ``why_not``: why this gateway runs no verifier, though verification is on.
    """
    if not (settings.production or settings.server.loopback):
        log.error(EXPOSED, setting="server.insecure_development")
    verification = settings.verification
    unverified = UNVERIFIED + (UNPAID if settings.is_for_money else "")
    if not verification.enabled:
        log.warning(unverified, setting="verification.enabled")
    elif why_not is not None:
        others = "" if verification.own_nodes else f"; {unverified}"
        name = "embedded" if verification.embedded else "own_nodes"
        log.warning(f"{UNABLE}{why_not}{others}", setting=f"verification.{name}")
