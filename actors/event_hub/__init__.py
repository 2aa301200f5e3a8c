"""Actor that wakes the event streams of users who follow a job."""
