"""The embedded verifier, which the gateway registers as a node without an owner."""

import platform
from pathlib import Path
from typing import Final

import attrs

from config.loader import SettingsError
from config.settings import Settings
from rendertrust.job_types import (
    CHECK,
    CHECK_BATCH,
    INFERENCE,
    PREFLIGHT,
    check_of,
    preflight_of,
)
from rendertrust.node.state_folder import Enrolment
from rendertrust.verdict_reason import NO_VERIFIER, OFF, VerdictReason
from sql.nodes import NewNode, NodeIdentity
from supervisors.child import Child
from supervisors.engines.current_endpoint import CurrentEndpoint
from supervisors.engines.embedded_verifier import (
    Confinement,
    EmbeddedVerifier,
    bounds_of,
    confine,
)
from supervisors.engines.engine_account import engine_account
from supervisors.engines.engine_actor import engine_child
from supervisors.engines.errors import EngineError
from web.gateway import Gateway
from web.http.listener import ListenAddress

# Without the job type ``render``, so the embedded verifier gets no rendering work.
CAPABILITIES: Final = (
    *(CHECK, CHECK_BATCH, PREFLIGHT),
    *(check_of(INFERENCE), preflight_of(INFERENCE)),
)
CHILD: Final = "embedded verifier"  # in the supervision tree, where "verifier" is an actor
NAME: Final = f"embedded verifier on {platform.node()}"[:255]

UNNAMED: Final = "verification.embedded is off, and verification.own_nodes names no verifier"
OR_ELSE: Final = (
    "This gateway verifies on this machine. Otherwise set verification.own_nodes, or"
    " verification.enabled = false, and nothing is verified"
)


@attrs.frozen
class EmbeddedVerifierState:
    """State of the embedded verifier. ``confined``: how it runs. ``why_not``: why it cannot run, or
    that no verifier is set up.

    Both are None if the settings turn verification off, or leave it to other nodes.
    """

    confined: Confinement | None = None
    why_not: str | None = None

    @property
    def unverified_why(self) -> VerdictReason:
        """Return why results are unverified if verification is off, as a code of receipts."""
        return OFF if self.why_not is None else NO_VERIFIER

    def children(self, gateway: Gateway, place: ListenAddress) -> list[Child]:
        """Return the child that runs the verifier, if it can run. The verifier connects to
        ``place`` like any node.
        """
        confined, given = self.confined, gateway.settings.verification
        if confined is None:
            return []

        async def enrol() -> Enrolment:
            node = NewNode(confined.id, NAME, confined.public_key, CAPABILITIES, {})
            await gateway.tables.nodes.embed(node)
            token = gateway.ports.tokens.issue(node.id).text
            return Enrolment(
                url=place.url, node_id=str(node.id), name=NAME, token=token, proven=True
            )

        bounds = bounds_of(given.threads, given.memory_gib, given.renderers_gib)
        engine = EmbeddedVerifier(confined, bounds, enrol)
        return [engine_child(engine, CurrentEndpoint[int](), name=CHILD, late=True)]

    def placed(
        self, arrival: NodeIdentity, place: ListenAddress, settings: Settings
    ) -> NodeIdentity:
        """Let the embedded verifier use the gateway's objects at the address that it connected to.

        Other nodes use the public address, which may not be reachable from this machine.
        """
        ours = self.confined is not None and arrival.id == self.confined.id
        if not ours or settings.objects.public_url:
            return arrival
        return attrs.evolve(arrival, base=place.url)


def embedding_of(settings: Settings, data: Path) -> tuple[EmbeddedVerifierState, Settings]:
    """Check whether the embedded verifier can run on this machine, if the settings want it.

    Also return the settings, with verification off if there is no verifier at all. In production a
    gateway without verifiers raises SettingsError.
    """
    given = settings.verification
    if not given.enabled:
        return EmbeddedVerifierState(), settings
    why_not = UNNAMED
    if given.embedded:
        try:
            return EmbeddedVerifierState(confine(data, engine_account())), settings
        except EngineError as error:
            why_not = str(error)
    if given.own_nodes.strip():
        return EmbeddedVerifierState(why_not=why_not if given.embedded else None), settings
    if settings.production:
        raise SettingsError(f"production refuses to start: {why_not}. {OR_ELSE}")
    off = attrs.evolve(given, enabled=False)
    return EmbeddedVerifierState(why_not=why_not), attrs.evolve(settings, verification=off)
