"""Actor that decides whether delivered results match their scenes; ``case``, ``thresholds`` and
``verdict`` are pure.
"""
