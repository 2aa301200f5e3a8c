"""A gateway that is killed again and again under load, and a client that remembers every answer."""
