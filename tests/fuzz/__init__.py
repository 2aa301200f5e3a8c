"""Requests made up from the API's description, and every answer held against it."""
