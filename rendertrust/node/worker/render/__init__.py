"""What the worker makes: frames, tiles, evidence, videos, and previews for prices."""
