"""A stand-in for Stripe on this machine: a pay page, refunds, disputes, and signed webhooks.

It speaks as much of Stripe's API as a gateway uses, in the same shapes, so that in development
nothing of the gateway differs from production but the base address. No money moves.
"""
