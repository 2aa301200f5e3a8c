"""The actors, one folder each, on the actor kernel in ``actors/kernel``."""
