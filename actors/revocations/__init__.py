"""Actor that keeps the gateway's set of revoked tokens and keys up to date."""
