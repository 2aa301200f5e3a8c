"""Two readers of the API's description, served from here: no page loads anything from elsewhere."""
