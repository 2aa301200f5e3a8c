"""Browser console for creators, operators and admins."""
