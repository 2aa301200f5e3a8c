"""Actor that keeps open pages of the console up to date."""
