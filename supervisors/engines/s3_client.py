"""An aiobotocore client. Import this module in a thread, as the import takes half a second."""

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession, get_session

from supervisors.engines.objects_endpoint import ObjectsEndpoint

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

CONNECT_SECONDS = 2.0
READ_SECONDS = 20.0


def load_session() -> AioSession:
    """Return a session that has read the description of S3 from disk.

    The call blocks for some 40 ms.
    """
    session = get_session()
    session.get_component("data_loader").load_service_model("s3", "service-2")
    return session


async def open_client(
    session: AioSession, endpoint: ObjectsEndpoint, stack: AsyncExitStack
) -> "S3Client":
    """Return a client that ``stack`` closes, with path-style addresses and two tries per call."""
    config = AioConfig(
        signature_version="s3v4",
        s3={"addressing_style": "path"},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"total_max_attempts": 2, "mode": "standard"},
        # The gateway sends a SHA-256 itself; the default CRC would be another pass over the bytes.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    creating = session.create_client(
        "s3",
        endpoint_url=endpoint.url,
        region_name=endpoint.region,
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=endpoint.secret_key,
        config=config,
    )
    return await stack.enter_async_context(creating)
