"""Checks of delivered files by rendering again.

The checks write reports, from which the gateway decides. ``quick_look``, ``evidence_check``,
``evidence_free_check``, ``video_check``, ``rerender`` and ``isolated_open`` run orders of the
worker. The other modules contain what these modules share. "Ours" is rendered by this verifier,
"theirs" was delivered by the node.
"""
