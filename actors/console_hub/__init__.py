"""The console hub keeps open console pages up to date."""
