"""Checks of delivered files by rendering them again. The gateway decides by the reports.

The orders are in ``quick_look``, ``evidence_check``, ``unit_check``, ``video_check``, ``rerender``
and ``isolated_open``; the other modules contain methods that these share.
"""
