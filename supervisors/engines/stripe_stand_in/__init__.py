"""A stand-in for Stripe on this machine: payment page, refunds, disputes, signed webhooks.

The stand-in implements the part of Stripe's API that a gateway uses, in the same shapes. So a
gateway in development differs from production only by the base address. No money moves.
"""
