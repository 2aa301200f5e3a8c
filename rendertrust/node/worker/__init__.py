"""Blender's side of the node: what runs in the sandbox, in Blender or beside its module ``bpy``.

It imports nothing of this package but itself, because it runs where only the standard library,
Blender and numpy (which Blender brings) are. ``launcher.py`` is started; it is given one order.
"""
