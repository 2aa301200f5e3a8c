"""Actor that monitors whether the event loop runs and the actors make progress."""
