"""The worker: the program in the sandbox that runs Blender, inside Blender or with ``bpy``.

It imports nothing else from this package, because only the standard library, Blender and Blender's
numpy are available there. ``launcher.py`` is started with one order; ``program.py`` lists the
orders.
"""
