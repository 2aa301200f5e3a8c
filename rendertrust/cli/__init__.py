"""The command line of creators and node operators.

What only prints (``--help``, ``help``, ``version``) imports neither click, nor rich, nor aiohttp;
``front`` answers it. The rest begins in ``app``.
"""
