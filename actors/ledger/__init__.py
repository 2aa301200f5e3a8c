"""The ledger: every change of credits, holds, jobs and units passes here, in batches."""
