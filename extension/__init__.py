"""RenderTrust in Blender: look what a scene lacks, send it, and have its frames come back.

preferences.py  which gateway
state.py        what the artist chooses (kept in the scene), and what the panel shows
scene.py        the scene that is open: what pre-flight finds, and the files that go along
background.py   work in a thread, whose words Blender's main thread hears
gateway.py      what is said to the gateway, by ``rendertrust.Client``; without Blender
operators.py    the buttons
panel.py        where they stand: Properties > Output > RenderTrust
"""

from . import operators, panel, preferences, state

PARTS = (preferences, state, operators, panel)


def register() -> None:
    """Blender calls this when the extension is switched on."""
    for part in PARTS:
        part.register()


def unregister() -> None:
    """Blender calls this when it is switched off, or quits."""
    for part in reversed(PARTS):
        part.unregister()
