"""The revocations actor: keeps the gateway's set of revocations up to date."""
