"""How much memory a render of the scene will take, roughly: what Cycles keeps of it."""

from typing import Any

from .scene import size_of

BASE = 300 * 2**20
TRIANGLE = 220  # with its share of the tree that rays are traced through
VERTEX = 60
PASS_CHANNELS = 16  # of a picture with a denoiser and some passes


def memory_of(bpy: Any, scene: Any) -> dict[str, Any]:
    """Bytes by what needs them, and who needs most."""
    geometry = geometry_of(bpy, scene)
    textures = {image.name: texture_bytes(image) for image in bpy.data.images if image.users}
    width, height = size_of(scene)
    parts = {
        "geometry": sum(geometry.values()),
        "textures": sum(textures.values()),
        "picture": width * height * PASS_CHANNELS * 4 * 2,
    }
    most = sorted({**geometry, **textures}.items(), key=lambda item: -item[1])[:5]
    return {
        "bytes": BASE + sum(parts.values()),
        **parts,
        "most": [{"object": name, "bytes": size} for name, size in most if size],
    }


def geometry_of(bpy: Any, scene: Any) -> dict[str, int]:
    """Bytes of each mesh that is rendered; copies of one mesh cost once."""
    found: dict[str, int] = {}
    graph = bpy.context.evaluated_depsgraph_get()
    seen: set[tuple[str, ...]] = set()
    for thing in scene.objects:
        if thing.hide_render or thing.type not in ("MESH", "CURVE", "SURFACE", "FONT", "META"):
            continue
        key = (thing.data.name_full, *(thing.name_full for _ in thing.modifiers[:1]))
        if key in seen:
            continue
        seen.add(key)
        done = thing.evaluated_get(graph)
        mesh = done.to_mesh()
        if mesh is None:
            continue
        triangles = max(len(mesh.loops) - 2 * len(mesh.polygons), 0)
        vertices = len(mesh.vertices)
        done.to_mesh_clear()
        growth = growth_of(scene, thing)
        found[thing.name] = int(growth * (triangles * TRIANGLE + vertices * VERTEX))
    return found


def growth_of(scene: Any, thing: Any) -> int:
    """How many times more a render has of the mesh than the viewport, by subdivision."""
    more = 0
    render = scene.render
    for modifier in thing.modifiers:
        if modifier.type not in ("SUBSURF", "MULTIRES") or not modifier.show_render:
            continue
        shown = modifier.levels if modifier.show_viewport else 0
        rendered = modifier.render_levels
        if render.use_simplify:
            shown = min(shown, render.simplify_subdivision)
            rendered = min(rendered, render.simplify_subdivision_render)
        more += rendered - shown
    return int(4 ** max(more, 0))


def texture_bytes(image: Any) -> int:
    """A picture in memory: four channels, of one byte or of four."""
    if image.source in ("VIEWER", "GENERATED") and not image.has_data:
        return 0
    width, height = image.size
    tiles = len(image.tiles) if image.source == "TILED" else 1
    return int(width * height * 4 * (4 if image.is_float else 1) * max(tiles, 1))
