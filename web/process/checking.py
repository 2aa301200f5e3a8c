"""Warnings at the start of a gateway about what its settings leave open."""

from typing import Final

import structlog

from config.settings import Settings

UNCHECKED: Final = "results are not checked: they are charged and paid as they are delivered"
NO_VERIFIER: Final = "no node is named that verifies: what is delivered waits"

EXPOSED: Final = (
    "INSECURE: a gateway in development serves other machines. Whoever reaches it has free credits,"
    " and nodes need no proof of their key. Pay out no money"
)

log = structlog.get_logger("service")


def warn_of(settings: Settings) -> None:
    """Log a line for each thing that is left open, with the setting that it follows from."""
    if not (settings.production or settings.server.loopback):
        log.error(EXPOSED, setting="server.insecure_development")
    verification = settings.verification
    if not verification.enabled:
        log.warning(UNCHECKED, setting="verification.enabled")
    elif not verification.own_nodes:
        log.warning(NO_VERIFIER, setting="verification.own_nodes")
