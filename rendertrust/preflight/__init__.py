"""Before anything is paid: what is wrong with a scene, which files it needs, what it will cost.

Pure: facts come from the node's worker (``rendertrust.node.scene_inspection``), which opens the
scene.

    findings.py    facts -> findings, each with the setting that mends it
    missing_output.py      scenes that make no picture: what findings say of them
    layout.py      the files that a scene names -> the inputs of a job
    unsendable_files.py     files that cannot be sent as they are called, or are too many
    price.py       a few small crops -> seconds of the reference machine
"""
