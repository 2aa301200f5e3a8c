"""The auditor checks that the books balance."""
