"""The client library: ``AsyncClient`` for asyncio, ``Client`` for everybody else.

from rendertrust import Client, JobSpec

with Client("http://localhost:8000") as client:
    client.login("jane@example.com", password)
    upload = client.upload("scene.blend")
    spec = JobSpec("render", upload.payload_ref, {"frame": 1})
    client.preflight(spec)  # checks and measures the scene, for free
    placed = client.dispatch(spec)
    if client.wait(placed.job_id).status == "COMPLETED":
        client.download(placed.job_id, "frame.png")
"""

from rendertrust import api
from rendertrust.api import *  # noqa: F403 - ``__all__`` names the imported classes
from rendertrust.client.async_client import AsyncClient
from rendertrust.client.backoff import NEVER, Retries
from rendertrust.client.errors import (
    BadAnswer,
    BadRequest,
    Conflict,
    Fault,
    FileChanged,
    Forbidden,
    Forked,
    GatewayFault,
    Gone,
    InsufficientCredits,
    Invalid,
    KeyConflict,
    LeavesGivenUp,
    NoAnswer,
    NotAuthenticated,
    NotFound,
    NotProved,
    NotReady,
    NotTaken,
    PinUnreadable,
    RateLimited,
    Refused,
    RenderTrustError,
    StillRunning,
    TooLarge,
    TooSlow,
    TransferFailed,
    Unavailable,
)
from rendertrust.client.frame_downloads import FrameFiles
from rendertrust.client.job_uploads import Bundle
from rendertrust.client.log_monitor import MemoryPins, Pin, Pins
from rendertrust.client.login import MemoryTokenStore, TokenStore
from rendertrust.client.sync_client import Client
from rendertrust.client.transport import address
from rendertrust.job_spec import JobSpec, NodeNeeds, RenderParams

__all__ = [  # noqa: PLE0604  # pyright: ignore[reportUnsupportedDunderAll]
    *api.__all__,
    "AsyncClient",
    "BadAnswer",
    "BadRequest",
    "Bundle",
    "Client",
    "Conflict",
    "Fault",
    "FileChanged",
    "Forbidden",
    "Forked",
    "FrameFiles",
    "GatewayFault",
    "Gone",
    "InsufficientCredits",
    "Invalid",
    "JobSpec",
    "KeyConflict",
    "LeavesGivenUp",
    "MemoryPins",
    "MemoryTokenStore",
    "NEVER",
    "NoAnswer",
    "NodeNeeds",
    "NotAuthenticated",
    "NotFound",
    "NotProved",
    "NotReady",
    "NotTaken",
    "Pin",
    "PinUnreadable",
    "Pins",
    "RateLimited",
    "Refused",
    "RenderParams",
    "RenderTrustError",
    "Retries",
    "StillRunning",
    "TokenStore",
    "TooLarge",
    "TooSlow",
    "TransferFailed",
    "Unavailable",
    "address",
]
