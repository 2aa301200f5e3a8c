"""Driver paths that affect the rendered region."""

import pytest

from rendertrust.node.worker.scene.nondeterminism import reads_render


@pytest.mark.parametrize(
    ("path", "reads"),
    [
        ("render.border_min_x", True),
        ('["s"].render.border_min_x', True),  # a property that points to the scene
        ('nodes["Render Layers"].scene.render.border_max_y', True),
        ('["render.fps"].render.use_border', True),
        ("['it\\'s'].render.resolution_x", True),
        ("render.fps", False),
        ('["s"].render.fps_base', False),
        ('pose.bones["render.border_min_x"].location', False),
        ("frame_current", False),
        ("prerender.border_min_x", False),
    ],
)
def test_whatever_leads_there_is_seen(path: str, reads: bool) -> None:
    assert reads_render(path) is reads
