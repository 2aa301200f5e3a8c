"""Settings of the actors, made from the settings of the gateway."""

from collections.abc import Callable
from typing import Final
from uuid import UUID

import attrs

from actors.anchor.policy import AnchorSettings
from actors.mailer.actor import MailerSettings, no_farm
from actors.node_session.settings import NodeSessionSettings
from actors.paymaster.actor import PaymasterSettings
from actors.scheduler.settings import SchedulerSettings
from actors.sequencer.policy import SequencerSettings
from actors.verifier.settings import VerifierSettings
from config.settings import DEFAULTS, Audit, Leases, Settings, Verification, Webhooks
from rendertrust.job_types import RENDERED
from rendertrust.verdict_reason import OFF, VerdictReason
from supervisors.chain_audit import anchor_settings

IDLE_LOOK_SECONDS: Final = 10.0


@attrs.frozen
class ActorSettings:
    """Settings of each actor."""

    session: NodeSessionSettings
    sequencer: SequencerSettings = attrs.field(factory=SequencerSettings)
    paymaster: PaymasterSettings = attrs.field(factory=PaymasterSettings)
    auditor: Audit = DEFAULTS.audit
    scheduler: SchedulerSettings = attrs.field(factory=SchedulerSettings)
    lifeline: Leases = DEFAULTS.leases
    verifier: VerifierSettings = attrs.field(factory=VerifierSettings)
    courier: Webhooks = DEFAULTS.webhooks
    anchor: AnchorSettings = attrs.field(factory=AnchorSettings)
    mailer: MailerSettings = attrs.field(factory=MailerSettings)


def actor_settings(
    settings: Settings,
    verifiers: frozenset[UUID] = frozenset(),
    unverified_why: VerdictReason = OFF,
    farm: Callable[[], str] = no_farm,
) -> ActorSettings:
    """Return the settings of the actors.

    ``verifiers``: the nodes that serve the gateway as verifiers. ``unverified_why``: the code in
    receipts if the gateway does not verify results. ``farm`` returns the gateway's public address.
    """
    return ActorSettings(
        session=session_settings(settings, verifiers, unverified_why),
        sequencer=SequencerSettings(settings.proof),
        paymaster=PaymasterSettings(settings.earnings, pays_money=settings.takes_payments),
        auditor=settings.audit,
        scheduler=SchedulerSettings(settings.limits, settings.scheduling, verifiers),
        lifeline=settings.leases,
        verifier=verifier_settings(settings, verifiers, unverified_why),
        courier=settings.webhooks,
        anchor=anchor_settings(settings.chain),
        mailer=MailerSettings(farm, settings.farm_name),
    )


def session_settings(
    settings: Settings,
    verifiers: frozenset[UUID] = frozenset(),
    unverified_why: VerdictReason = OFF,
) -> NodeSessionSettings:
    return NodeSessionSettings(
        bucket=settings.objects.bucket,
        require_object=settings.results.require_object,
        earnings=settings.earnings,
        leases=settings.leases,
        verified_types=verified_types(settings.verification),
        unverified_why=unverified_why,
        require_evidence=settings.asks_for_evidence,
        pays_unverified=not settings.is_for_money,
        own=verifiers,
    )


def verified_types(given: Verification) -> frozenset[str]:
    """Return the job types whose results wait for a verdict."""
    return RENDERED | given.job_types() if given.enabled else frozenset()


def verifier_settings(
    settings: Settings,
    verifiers: frozenset[UUID] = frozenset(),
    unverified_why: VerdictReason = OFF,
) -> VerifierSettings:
    """Return the Verifier's settings.

    If verification is off, the Verifier still runs, and now and then handles results that were
    delivered before it was switched off.
    """
    given, pays = settings.verification, not settings.is_for_money
    if not given.enabled:
        return VerifierSettings(
            given,
            unverified_why=unverified_why,
            pays_unverified=pays,
            look_seconds=IDLE_LOOK_SECONDS,
        )
    return VerifierSettings(
        given,
        require_evidence=settings.asks_for_evidence,
        pays_unverified=pays,
        own=verifiers,
    )
