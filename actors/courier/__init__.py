"""The courier delivers webhooks: events of jobs, sent to users' endpoints."""
