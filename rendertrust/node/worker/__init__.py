"""The worker: the program in the sandbox that runs Blender, inside Blender or with ``bpy``.

It imports nothing else from this package, because in the sandbox there are only the standard
library, Blender and Blender's numpy. ``launcher.py`` is started with one order; ``program.py``
lists the orders.
"""
