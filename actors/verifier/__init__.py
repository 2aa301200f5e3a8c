"""The verifier: decides whether delivered results match their scenes.

Its decisions are pure modules.
"""
