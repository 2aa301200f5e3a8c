"""The client library: ``AsyncClient`` for asyncio, ``Client`` for everybody else.

from rendertrust.client import Client

with Client("http://localhost:8000") as client:
    client.login("jane@example.com", password)
    upload = client.upload("scene.blend")
    placed = client.dispatch("render", upload.payload_ref, {"frame": 1})
    if client.wait(placed.job_id).status == "COMPLETED":
        client.download(placed.job_id, "frame.png")
"""

from rendertrust.client.answers import (
    ApiKey,
    ApiKeys,
    Balance,
    Checkout,
    CreatedApiKey,
    Entry,
    History,
    Job,
    JobList,
    Node,
    NodeList,
    Offer,
    Offers,
    Placed,
    PutUrl,
    Registered,
    ResultUrl,
    Tokens,
    Upload,
    User,
)
from rendertrust.client.asynchronous import AsyncClient
from rendertrust.client.backoff import NEVER, Retries
from rendertrust.client.blocking import Client
from rendertrust.client.earned import (
    Dispute,
    Disputes,
    Earnings,
    EarningTotals,
    Payout,
    Payouts,
    Share,
    Statement,
    StatementLine,
)
from rendertrust.client.errors import (
    BadAnswer,
    BadRequest,
    Conflict,
    Fault,
    FileChanged,
    Forbidden,
    GatewayFault,
    InsufficientCredits,
    Invalid,
    NoAnswer,
    NotAuthenticated,
    NotFound,
    RateLimited,
    Refused,
    RenderTrustError,
    StillRunning,
    TransferFailed,
    Unavailable,
)
from rendertrust.client.login import Keeper, Memory
from rendertrust.client.transport import address

__all__ = [
    "Dispute",
    "Disputes",
    "Earnings",
    "EarningTotals",
    "Payout",
    "Payouts",
    "Share",
    "Statement",
    "StatementLine",
    "NEVER",
    "ApiKey",
    "ApiKeys",
    "AsyncClient",
    "BadAnswer",
    "BadRequest",
    "Balance",
    "Checkout",
    "Client",
    "Conflict",
    "CreatedApiKey",
    "Entry",
    "Fault",
    "FileChanged",
    "Forbidden",
    "GatewayFault",
    "History",
    "InsufficientCredits",
    "Invalid",
    "Job",
    "JobList",
    "Keeper",
    "Memory",
    "NoAnswer",
    "NotAuthenticated",
    "Node",
    "NodeList",
    "NotFound",
    "Offer",
    "Offers",
    "Placed",
    "PutUrl",
    "RateLimited",
    "Refused",
    "Registered",
    "RenderTrustError",
    "ResultUrl",
    "Retries",
    "StillRunning",
    "Tokens",
    "TransferFailed",
    "Unavailable",
    "Upload",
    "User",
    "address",
]
