"""Actor that makes earnings payable once they can no longer be disputed."""
