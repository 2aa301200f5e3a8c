"""The paymaster: makes earnings payable once they can no longer be disputed."""
