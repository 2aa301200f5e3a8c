"""Credits: requests to the Ledger, admins' adjustments, Stripe's events."""
