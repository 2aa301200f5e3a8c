"""The closed set of effects that the Ledger commits, grouped by what they change."""
