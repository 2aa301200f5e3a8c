"""Warnings at the start of a gateway about what its settings leave open."""

from typing import Final

import structlog

from config.settings import Settings

UNCHECKED: Final = "results are not checked: they are charged and paid as they are delivered"
NO_VERIFIER: Final = "no node is named that verifies: what is delivered waits"
UNABLE: Final = "this machine cannot verify: "

EXPOSED: Final = (
    "INSECURE: a gateway in development serves other machines. Whoever reaches it has free credits,"
    " and nodes need no proof of their key. Pay out no money"
)

log = structlog.get_logger("service")


def warn_of(settings: Settings, why_not: str | None = None) -> None:
    """Log a line for each thing that is left open, with the setting that it follows from.

    ``why_not``: why the embedded verifier does not run, though it is wanted.
    """
    if not (settings.production or settings.server.loopback):
        log.error(EXPOSED, setting="server.insecure_development")
    verification = settings.verification
    if not verification.enabled:
        log.warning(UNCHECKED, setting="verification.enabled")
    elif why_not is not None:
        others = "" if verification.own_nodes else f"; {UNCHECKED}"
        log.warning(f"{UNABLE}{why_not}{others}", setting="verification.embedded")
    elif not (verification.embedded or verification.own_nodes):
        log.warning(NO_VERIFIER, setting="verification.own_nodes")
