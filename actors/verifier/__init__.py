"""The verifier decides whether delivered results match their scenes, by pure modules."""
