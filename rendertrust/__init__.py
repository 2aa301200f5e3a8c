"""RenderTrust: client, node agent and offline verifier."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rendertrust.client import AsyncClient, Client
    from rendertrust.job_spec import JobSpec

__version__ = "0.1.0"
__all__ = ["AsyncClient", "Client", "JobSpec", "__version__"]


def __getattr__(name: str) -> Any:
    """Import the clients on first use, so that the command line starts without them."""
    if name in ("AsyncClient", "Client", "JobSpec"):
        from rendertrust import client  # noqa: PLC0415 - as said

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
