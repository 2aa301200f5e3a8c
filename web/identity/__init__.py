"""Identity of callers and their rights: passwords, tokens, API keys, revocations."""
