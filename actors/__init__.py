"""The actors: one folder each, over a kernel of their own."""
