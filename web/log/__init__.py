"""The log of proofs: keys that sign it, and what this gateway remembers of it."""
