"""Batch inference: a model in ONNX's format computes rows, which nodes share in units.

``arrays``, ``shards`` and ``runtime`` need the packages of the extra ``inference``.

    onnx_model.py   reads a model without running it, and refuses what nodes do not run
    row_plan.py     the units of a job: which rows, in which batches
    arrays.py       files of arrays (.npz) without pickled objects, bounded
    shards.py       cuts a file of rows into units, and joins their results
    runtime.py      runs a model in a node's sandbox, and checks and measures such runs
"""
