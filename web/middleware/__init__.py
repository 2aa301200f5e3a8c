"""What surrounds every request, outermost first: identity, measures, problems."""
