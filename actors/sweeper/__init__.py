"""The sweeper: removes what has expired or was abandoned."""
