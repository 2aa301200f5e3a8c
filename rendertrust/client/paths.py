"""Paths of the requests that the clients send. An id that is not a UUID raises ValueError."""

from typing import Final

from rendertrust.client.arguments import Id, uuid
from rendertrust.program_version import DOWNLOAD

_API: Final = "/api/v1"
REGISTER: Final = f"{_API}/auth/register"
LOGIN: Final = f"{_API}/auth/login"
DEVICE: Final = f"{_API}/auth/device"
DEVICE_TOKEN: Final = f"{DEVICE}/token"
LOGOUT: Final = f"{_API}/auth/logout"
REFRESH: Final = f"{_API}/auth/refresh"
PASSWORD: Final = f"{_API}/auth/password"
ACCOUNT: Final = f"{_API}/auth/account"
EXPORT: Final = f"{ACCOUNT}/export"
ACCOUNT_DELETION: Final = f"{ACCOUNT}/delete"
SECOND_FACTOR: Final = f"{_API}/auth/second-factor"
KEYS: Final = f"{_API}/auth/keys"
SESSIONS: Final = f"{_API}/auth/sessions"
BALANCE: Final = f"{_API}/credits/balance"
HISTORY: Final = f"{_API}/credits/history"
HOLDS: Final = f"{_API}/credits/holds"
USAGE: Final = f"{_API}/credits/usage"
OFFERS: Final = f"{_API}/credits/skus"
DEDUCT: Final = f"{_API}/credits/deduct"
PURCHASES: Final = f"{_API}/credits/purchases"
CREDITS_STATEMENT: Final = f"{_API}/credits/statement"
CHECKOUT: Final = f"{_API}/credits/checkout"
UPLOADS: Final = f"{_API}/uploads"
JOBS: Final = f"{_API}/jobs"
PREFLIGHT: Final = f"{JOBS}/preflight"
QUOTE: Final = f"{JOBS}/quote"
DISPATCH: Final = f"{JOBS}/dispatch"
DISPUTES: Final = f"{_API}/disputes"
LEDGER: Final = f"{_API}/ledger"
HOOKS: Final = f"{_API}/webhooks/endpoints"
DELIVERIES: Final = f"{_API}/webhooks/deliveries"
NODES: Final = f"{_API}/nodes"
DOWNLOADS: Final = f"{_API}/downloads"
JOIN_CODES: Final = f"{NODES}/join-codes"
CHECKS: Final = f"{_API}/admin/checks"
EARNINGS: Final = f"{_API}/operators/me/earnings"
EARNING_SUMS: Final = f"{EARNINGS}/sums"
UNPAID: Final = f"{EARNINGS}/unpaid"
WORK_DISPUTES: Final = f"{_API}/operators/me/disputes"
PAYOUT_RULES: Final = f"{_API}/operators/me/payout-rules"
PAYOUTS: Final = f"{_API}/operators/me/payouts"
PAYOUT_ACCOUNT: Final = f"{_API}/auth/payout-account"
STATEMENT: Final = f"{_API}/operators/me/statement"
ORGANISATIONS: Final = f"{_API}/organisations"
SHARE_LINKS: Final = f"{_API}/share-links"
TRUSTED: Final = f"{_API}/trusted"


def download(name: str) -> str:
    """Return the path of a file that the gateway hands out."""
    return f"{DOWNLOAD}/{name}"


def element(collection: str, element_id: Id, *rest: str | int) -> str:
    """Return the path of an element of a collection, or of what is below this element."""
    return "/".join((collection, uuid(element_id), *map(str, rest)))


def job(job_id: Id, *rest: str | int) -> str:
    """Return the path of a job, or of what is below the job."""
    return element(JOBS, job_id, *rest)


def unit(job_id: Id, number: int, part: str) -> str:
    """Return the path of what is below a unit of a job."""
    return job(job_id, "units", number, part)


def hook(hook_id: Id, *rest: str) -> str:
    """Return the path of a webhook endpoint, or of what is below the endpoint."""
    return element(HOOKS, hook_id, *rest)


def node(node_id: Id, *rest: str) -> str:
    """Return the path of a node, or of what is below the node."""
    return element(NODES, node_id, *rest)


def organisation(organisation_id: Id, *rest: str) -> str:
    """Return the path of an organisation, or of what is below the organisation."""
    return element(ORGANISATIONS, organisation_id, *rest)


def member(organisation_id: Id, user_id: Id) -> str:
    """Return the path of a member of an organisation."""
    return organisation(organisation_id, "members", uuid(user_id))


def lent_node(organisation_id: Id, node_id: Id) -> str:
    """Return the path of a node in an organisation."""
    return organisation(organisation_id, "nodes", uuid(node_id))
