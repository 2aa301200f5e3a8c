"""Readiness of a farm: what it needs to run without supervision, and how to get it.

``web.process.readiness`` says whether this gateway can take jobs now. These checks say what an
admin should do before something goes wrong.
"""

import ssl
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias
from urllib.parse import urlsplit

import attrs

from rendertrust.program_version import DOWNLOAD, is_older, version_key
from sql.database import Unavailable
from sql.mails import without_addresses
from sql.nodes import NodeVersion
from sql.overview import LogStanding, Overview
from web.gateway import Gateway
from web.jobs.check_queue import check_queue_of

State: TypeAlias = Literal["good", "warn", "bad", "off"]
DAY: Final = timedelta(days=1)
TRIAL_DAYS: Final = 90
CERTIFICATE_DAYS: Final = 14
MAIL_LATE: Final = timedelta(minutes=10)
ANCHOR_LATE: Final = 3  # multiple of the usual pause between anchors
DISK_LOW, DISK_FULL = 0.15, 0.05  # free fractions of the disk
HTTPS: Final = 443
NAMED_MOST: Final = 5  # gateways or versions that are named
UPDATE_NODES: Final = "Update each node by its line on the page Download, and restart it."
ADD_MACHINE: Final = "/console/fleet/add"
UNKNOWN: Final = "It could not be checked"


@attrs.frozen
class ReadinessItem:
    """One need of a farm. ``said``: how it is; ``fix``: what to do, or ''. ``off``: not in use.

    ``is_missing``: it was never set up or done, so nothing is broken.
    """

    name: str
    state: State
    said: str
    fix: str = ""
    is_missing: bool = False
    href: str = ""  # the page where it is done
    action: str = ""  # the words of the link to this page


@attrs.frozen
class FarmReadiness:
    """Checks of all needs of a farm."""

    gateway: Gateway

    async def items(self) -> Sequence[ReadinessItem]:
        """Return all needs; one that cannot be checked now is a warning."""
        checks: dict[str, Callable[[], Awaitable[ReadinessItem]]] = {
            "Nodes": self._nodes,
            "Verification": self._verification,
            "Backups": self._backups,
            "Restore": self._restore,
            "Mail": self._mail,
            "Anchors": self._anchors,
            "Disk": self._disk,
            "Address": self._address,
            "Versions": self._versions,
        }
        return [await self._checked(name, check) for name, check in checks.items()]

    async def _checked(
        self, name: str, check: Callable[[], Awaitable[ReadinessItem]]
    ) -> ReadinessItem:
        try:
            return attrs.evolve(await check(), name=name)
        except Unavailable:
            return ReadinessItem(name, "warn", f"{UNKNOWN}: the database does not answer.")
        except OSError as error:
            return ReadinessItem(name, "warn", f"{UNKNOWN}: {error}.")

    async def _nodes(self) -> ReadinessItem:
        """Count the nodes that render; verifiers of the gateway do not."""
        nodes = await Overview(self.gateway.database).nodes(None)
        if nodes["HEALTHY"]:
            return _item("good", f"{_several(nodes['HEALTHY'], 'node')} online.")
        if sum(nodes.values()):
            said, fix = (
                "No node that renders is online.",
                "Start rendertrust node run on a machine.",
            )
            return _item("warn", said, fix)
        none = _item("warn", "None renders: jobs wait.", "Join a machine that renders.")
        return attrs.evolve(none, href=ADD_MACHINE, action="Add a machine")

    async def _verification(self) -> ReadinessItem:
        settings = self.gateway.settings.verification
        if not settings.enabled:
            fix = "Remove verification.enabled = false from the settings."
            return _item("off", "Verification is off: nothing is checked.", fix)
        queue = await check_queue_of(self.gateway.database)
        if not queue.verifiers:
            fix = "Install Blender or bpy for the embedded verifier, or start one of own_nodes."
            return _item("bad", "No verifier is connected, so no result is settled.", fix)
        number = len(queue.verifiers)
        said = f"{number} verifier{'' if number == 1 else 's'}, {queue.waiting} results waiting."
        if queue.overdue:
            fix = "Start further verifiers (verification.own_nodes)."
            late = f"{said} The oldest has waited for {queue.oldest_seconds:.0f} s."
            return _item("warn", late, fix)
        return _item("good", said)

    async def _backups(self) -> ReadinessItem:
        last = await self.gateway.tables.last_backup.last()
        command = "backup" if self.gateway.settings.backup.folder else "backup FILE"
        fix = f"Run rendertrust {command} every day, and copy the objects."
        if last.made_at is None:
            state: State = "bad" if self.gateway.settings.production else "warn"
            never = _item(state, "No backup of this database was ever made.", fix)
            return attrs.evolve(never, is_missing=True)
        age = self._now() - last.made_at
        said = f"The last backup was made {_ago(age)}."
        return _item("warn", said, fix) if age > DAY else _item("good", said)

    async def _restore(self) -> ReadinessItem:
        last = await self.gateway.tables.last_backup.last()
        fix = "Run rendertrust restore FILE --trial: it changes nothing here."
        if last.tried_at is None:
            return _item("warn", "No backup was ever restored for trial.", fix)
        age = self._now() - last.tried_at
        said = f"A backup was restored for trial {_ago(age)}."
        return _item("warn" if age > TRIAL_DAYS * DAY else "good", said, fix)

    async def _mail(self) -> ReadinessItem:
        if not self.gateway.settings.mail.url:
            fix = "Set mail.url. Until then, admins hand out links for forgotten passwords."
            return _item("warn", "No mail server is set.", fix)
        health = await self.gateway.tables.mails.health()
        fix = "Check mail.url, and the log of the mail server."
        late = timedelta(0) if health.due_at is None else self._now() - health.due_at
        if late > MAIL_LATE:
            return _item("bad", f"The oldest waiting mail was due {_ago(late)}.", fix)
        sent, failed = health.sent_at, health.failed_at
        if failed is not None and (sent is None or failed > sent):
            said = without_addresses(health.error).rstrip(".") or "no reason given"
            return _item("bad", f"The last mail failed: {said}.", fix)
        if sent is None:
            return _item("good", "A mail server is set; no mail was sent yet.")
        return _item("good", f"The last mail was sent {_ago(self._now() - sent)}.")

    async def _anchors(self) -> ReadinessItem:
        chain = self.gateway.settings.chain
        if not chain.url:
            fix = "Set chain.url to anchor the log on a blockchain."
            return _item("off", "The log is not anchored on a blockchain.", fix)
        log = await Overview(self.gateway.database).log()
        late = late_anchor(log, self._now(), chain.anchor_seconds)
        if late is not None:
            return _item("bad", f"{late}.", "Run rendertrust chain status.")
        if chain.embedded:
            fix = "Set chain.url to a public chain before others rely on your proofs."
            return _item("warn", "Anchors go to the embedded test chain only.", fix)
        return _item("good", "The anchors are current.")

    async def _disk(self) -> ReadinessItem:
        space = await self.gateway.monitoring.host.disk()
        free = space.free / max(space.total, 1)
        said = f"{space.free / 2**30:,.1f} GiB of {space.total / 2**30:,.1f} GiB are free."
        fix = "Free space, or move the object store to another disk (objects.url)."
        state: State = "bad" if free < DISK_FULL else "warn" if free < DISK_LOW else "good"
        return _item(state, said, "" if state == "good" else fix)

    async def _address(self) -> ReadinessItem:
        settings = self.gateway.settings
        public = urlsplit(settings.server.public_url or self.gateway.url())
        if public.scheme != "https" or public.hostname is None:
            fix = "Put a proxy with TLS in front, and set server.public_url (see deploy/nginx)."
            state: State = "bad" if settings.production else "off"
            return _item(state, "Browsers reach the farm by plain http.", fix)
        fix = "Renew the certificate of the proxy."
        try:
            ends = await self.gateway.monitoring.host.certificate_ends(
                public.hostname, public.port or HTTPS
            )
        except ssl.SSLCertVerificationError as error:
            return _item("bad", f"Clients refuse the certificate: {error.verify_message}.", fix)
        left = ends - self._now()
        said = f"The certificate of {public.hostname} is valid for {left.days} more days."
        return _item("warn" if left.days < CERTIFICATE_DAYS else "good", said, fix)

    async def _versions(self) -> ReadinessItem:
        """Compare the versions of gateways and nodes with the newest gateway's."""
        gateways = self.gateway.console.gateways.living(self.gateway.url())
        newest = max((each.version for each in gateways), key=version_key)
        old = [each for each in gateways if version_key(each.version) < version_key(newest)]
        nodes = old_nodes(await self.gateway.tables.nodes.versions(), newest)
        if not old and not nodes:
            return _item("good", f"No gateway or node is older than {newest}.")
        said, fixes = list[str](), list[str]()
        if old:
            named = ", ".join(f"{each.url} ({each.version})" for each in old[:NAMED_MOST])
            said.append(f"Older than {newest}: {_several(len(old), 'gateway')}, {named}.")
            fixes.append("Upgrade the gateways one after the other (docs/OPERATIONS.md).")
        if nodes:
            number = sum(each.nodes for each in nodes)
            named = ", ".join(f"{each.version} ({each.nodes})" for each in nodes[:NAMED_MOST])
            said.append(f"Older than {newest}: {_several(number, 'node')}, with version {named}.")
            fixes.append(UPDATE_NODES)
        found = _item("warn", " ".join(said), " ".join(fixes))
        return attrs.evolve(found, href=DOWNLOAD, action="Download") if nodes else found

    def _now(self) -> datetime:
        return self.gateway.ports.clock.now()


def old_nodes(known: Sequence[NodeVersion], newest: str) -> Sequence[NodeVersion]:
    """Return the versions of nodes that are older than the gateway's, the oldest first.

    Nodes name their version themselves: what is no version is left out.
    """
    old = [each for each in known if is_older(each.version, newest)]
    return sorted(old, key=lambda each: version_key(each.version))


def late_anchor(log: LogStanding | None, now: datetime, usual_seconds: float) -> str | None:
    """Return what is late if entries should have been anchored by now."""
    if log is None or log.unanchored_since is None:
        return None
    if (now - log.unanchored_since).total_seconds() < ANCHOR_LATE * usual_seconds:
        return None
    return f"{log.unanchored:,} entries have been waiting for their anchor longer than usual"


def _item(state: State, said: str, fix: str = "") -> ReadinessItem:
    return ReadinessItem("", state, said, "" if state == "good" else fix)


def _several(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"


def _ago(age: timedelta) -> str:
    hours = age.total_seconds() / 3600
    if hours < 2:
        minutes = int(age.total_seconds() // 60)
        return f"{_several(minutes, 'minute')} ago" if minutes > 0 else "just now"
    return f"{int(hours)} hours ago" if hours < 48 else f"{age.days} days ago"
