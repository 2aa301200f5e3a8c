"""The watchman: last started and first stopped, he opens and closes the house."""
