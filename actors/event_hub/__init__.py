"""The event hub wakes the streams that follow jobs."""
