"""Where an object store is, and the key for it."""

from attrs import field, frozen

BUCKET = "rendertrust"
REGION = "us-east-1"


@frozen
class ObjectsEndpoint:
    """An S3 endpoint, a bucket of it and the key for it."""

    url: str
    access_key: str
    secret_key: str = field(repr=False)
    bucket: str = BUCKET
    region: str = REGION
