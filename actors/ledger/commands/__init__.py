"""The closed set of effects that the Ledger commits, by what they change."""
