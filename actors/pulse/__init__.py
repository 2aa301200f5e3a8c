"""The pulse shows that the event loop runs and that actors make progress."""
