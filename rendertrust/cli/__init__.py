"""The command-line program for creators and node operators.

Commands that only print (``--help``, ``help``, ``version``) import neither click nor rich nor
aiohttp; ``argv.quick`` answers these commands. All other commands start in ``app``.
"""
