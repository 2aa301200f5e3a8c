"""Checks of delivered files by rendering again; the gateway decides by the reports.

The orders are in ``quick_look``, ``evidence_check``, ``chunk_check``, ``video_check``, ``rerender``
and ``isolated_open``; the other modules are methods that these share.
"""
