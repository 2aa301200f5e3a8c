"""The lifeline: rescues units that a node left behind."""
