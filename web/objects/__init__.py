"""Files: multipart uploads, presigned URLs through the gateway, manifests, and archives."""
