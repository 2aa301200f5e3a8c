"""Actor that forwards news about jobs to subscribers and other gateways."""
