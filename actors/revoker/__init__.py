"""The revoker keeps the gateway's set of revocations up to date."""
