"""Response models of the API: frozen classes that the client returns."""
