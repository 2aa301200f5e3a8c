"""The notifier: who wants to know that something happened, is told."""
