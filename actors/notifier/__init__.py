"""The notifier: passes events on to subscribers."""
