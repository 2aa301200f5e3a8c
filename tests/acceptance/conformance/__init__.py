"""Conformance suite of the API reference: it tests a gateway over plain HTTP, without imports of
this package.

Start it with ``python -m tests.acceptance.conformance http://localhost:8000``.

The suite checks every example body of the reference: each field must exist with the example's type
and format, and may be null only if the example's is. The suite also checks status codes and close
codes. The suite registers a few users and one node; with the reference's rate limits, a gateway
allows one run a minute.
"""
