"""What surrounds every request, outermost first: names, callers, measures, seats, problems."""
