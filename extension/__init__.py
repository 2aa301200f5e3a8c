"""RenderTrust in Blender 4.2 and newer: check a scene, submit it, and download its frames.

preferences.py  the gateway's address
state.py        the artist's settings (kept in the scene), and what the panel shows
scene.py        the open scene: preflight findings, and the files to send
background.py   work in a thread, whose results Blender's main thread receives
gateway.py      requests to the gateway with ``rendertrust.Client``; no Blender API
pictures.py     finished frames: their thumbnails, and loading them
operators.py    the buttons
panel.py        the panel: Properties > Output > RenderTrust
"""

from . import operators, panel, pictures, preferences, state

PARTS = (preferences, state, pictures, operators, panel)


def register() -> None:
    """Register the extension; Blender calls this function when the extension is enabled."""
    for part in PARTS:
        part.register()


def unregister() -> None:
    """Unregister the extension.

    Blender calls this function when the extension is disabled, or at exit.
    """
    for part in reversed(PARTS):
        part.unregister()
