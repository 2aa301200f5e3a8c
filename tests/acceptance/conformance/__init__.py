"""Conformance suite of the reference, asked from outside by plain HTTP, without imports of this
package.

Start it with ``python -m tests.acceptance.conformance http://localhost:8000``.

It checks every example body of the reference: each field must exist, have that type and format, and
not be null where the example is not. It also checks status codes and close codes. It registers a
few users and one node; a gateway with the limits of the reference allows one run a minute.
"""
