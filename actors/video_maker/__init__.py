"""Actor that orders the videos of completed jobs."""
