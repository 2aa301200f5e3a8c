"""What every request goes through: connections, bodies, limits, answers, problems."""
