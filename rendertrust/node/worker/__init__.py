"""The worker: the program in the sandbox that runs Blender, inside Blender or with ``bpy``.

The worker imports nothing outside this package, because the sandbox has only the standard library,
Blender and Blender's numpy. The agent starts ``entry_point.py`` with one order; ``program.py``
lists the orders.
"""
