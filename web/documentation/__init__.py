"""The pages of the API's description, and the documentation site."""
