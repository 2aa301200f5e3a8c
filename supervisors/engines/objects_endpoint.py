"""The endpoint of an object store."""

from attrs import field, frozen

BUCKET = "rendertrust"
REGION = "us-east-1"


@frozen
class ObjectsEndpoint:
    """An S3 endpoint, its bucket, and the gateway's key."""

    url: str
    access_key: str
    secret_key: str = field(repr=False)
    bucket: str = BUCKET
    region: str = REGION
