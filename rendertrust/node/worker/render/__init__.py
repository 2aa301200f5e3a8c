"""Renders of the scene: frames, tiles, evidence, videos, and previews for prices."""
