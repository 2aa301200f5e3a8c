"""Fuzzing of the API: requests from its OpenAPI document, and a check of every answer."""
