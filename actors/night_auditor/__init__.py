"""Actor that checks all rows of the books against every invariant once a night."""
