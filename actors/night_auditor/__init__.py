"""The night auditor checks all of the books once a night."""
