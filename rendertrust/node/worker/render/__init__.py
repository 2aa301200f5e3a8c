"""Renders of the scene: frames, tiles, evidence, videos, and the price probe."""
