"""HTTP layer under all routes: connections, bodies, limits, responses and problems."""
