"""Who calls, and what he may: passwords, tokens, API keys, revocations."""
