"""The log of proofs, as this gateway signs and remembers it."""
