"""The ledger: every change of credits, holds, jobs and units is committed here, in batches."""
