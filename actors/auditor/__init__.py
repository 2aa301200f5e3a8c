"""Actor that checks new rows of the books against every invariant."""
