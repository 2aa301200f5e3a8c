"""A gateway that is killed repeatedly under load, and clients that check that no answer is lost."""
