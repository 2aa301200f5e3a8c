"""The courier: tells endpoints of users what happened to their jobs."""
