"""What an operation's handler can reach: the ports, the actors' addresses, the rows."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import attrs
from aiohttp import web

from actors.ports import Clock, Objects, Random
from config.settings import Settings
from sql.administration import Administration
from sql.api_keys import ApiKeys
from sql.audit import Audit
from sql.credits import Credits
from sql.jobs import Jobs
from sql.multiparts import Multiparts
from sql.nodes import Nodes
from sql.operators import Operators
from sql.prices import Prices
from sql.proofs import Proofs
from sql.sessions import Sessions
from sql.uploads import Uploads
from sql.users import Users
from supervisors.registry import Registry
from supervisors.snapshot import Snapshot
from web.api_keys import VerifiedKeys
from web.figures import Figures
from web.passwords import Passwords
from web.rates import Rates
from web.readiness import Probe
from web.revocation import Revocations
from web.tokens import Tokens

if TYPE_CHECKING:
    from sql.database import Database


def _operators(gateway: "Gateway") -> Operators:
    return Operators(gateway.database)


def _prices(gateway: "Gateway") -> Prices:
    return Prices(gateway.database)


def _multiparts(gateway: "Gateway") -> Multiparts:
    return Multiparts(gateway.database)


def _figures(gateway: "Gateway") -> Figures:
    return Figures(gateway.database, gateway.probes, gateway.clock)


@attrs.frozen
class Accounts:
    """Rows of logins, API keys, and what admins do."""

    sessions: Sessions
    api_keys: ApiKeys
    administration: Administration
    audit: Audit

    @classmethod
    def over(cls, database: "Database") -> "Accounts":
        """All of them in one database."""
        return cls(Sessions(database), ApiKeys(database), Administration(database), Audit(database))


@attrs.frozen
class Gateway:
    """Built once by the composition root."""

    settings: Settings
    clock: Clock
    random: Random
    registry: Registry
    database: "Database"
    objects: Objects
    tokens: Tokens
    passwords: Passwords
    rates: Rates
    revocations: Revocations
    api_keys: VerifiedKeys
    accounts: Accounts
    users: Users
    nodes: Nodes
    uploads: Uploads
    jobs: Jobs
    credits: Credits
    proofs: Proofs
    starter: int  # units that a new user is given
    probes: dict[str, Probe]  # what readiness names, and how each is asked
    snapshot: Callable[[], Snapshot]  # a brief reading of the whole tree
    prices: Prices = attrs.field(default=attrs.Factory(_prices, takes_self=True))
    multiparts: Multiparts = attrs.field(default=attrs.Factory(_multiparts, takes_self=True))
    figures: Figures = attrs.field(default=attrs.Factory(_figures, takes_self=True))
    operators: Operators = attrs.field(default=attrs.Factory(_operators, takes_self=True))


GATEWAY: Final = web.AppKey("gateway", Gateway)
