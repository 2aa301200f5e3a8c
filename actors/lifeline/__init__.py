"""The lifeline: what a node left lying is taken up again."""
