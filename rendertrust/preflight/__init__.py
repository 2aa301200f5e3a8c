"""Preflight: findings about a scene, its files and its price, before credits are held.

Pure. The node's worker (``rendertrust.node.scene_inspection``) opens the scene and supplies the
facts.

    findings.py            facts -> findings, each with the setting that fixes it
    layout.py              a scene's files -> the inputs of a job
    unsendable_files.py    findings about files that cannot be sent
    frame_probe.py         the times of small renders -> seconds on the machine that made them
    frame_work.py          the times of a few crops -> microseconds of work, and their price
"""
