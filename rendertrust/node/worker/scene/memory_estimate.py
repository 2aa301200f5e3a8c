"""Rough estimate of the memory that a render of a scene needs.

Geometry that is too large to build is estimated from the settings of its modifiers. Therefore the
estimate itself needs little memory.
"""

import contextlib
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

from .output import size_of
from .settings import is_eevee

BASE = 300 * 2**20
EEVEE = 1200 * 2**20  # of EEVEE in software, for shadows, probes and compiled shaders
TRIANGLE = 220  # bytes per triangle, with a share of the ray tracing tree
VERTEX = 60
FACE = 120  # bytes per face in Blender, with corners, edges and points
COPY = 1024  # bytes of an instance, with its share of the ray tracing tree
HAIR_KEY = 100  # bytes of a point of a hair, with its share of the ray tracing tree
VOXELS = 4  # bytes in memory per byte of a volume's compressed file
PASS_CHANNELS = 16  # channels of a picture with a denoiser and some passes
BUILT_MAX = 2_000_000  # an object with more faces is not built for counting
COPIES_MAX = 1_000_000  # instances above this number are not counted
KINDS = ("MESH", "CURVE", "SURFACE", "FONT", "META")
SIDES = 6  # sides of a box, which approximates a remeshed surface
# Arguments: modifier, object, scene, True for a render. Returns the factor by which the modifier
# multiplies the object's faces.
Growth = Callable[[Any, Any, Any, bool], float]
LEVELS = ("GeometryNodeSubdivideMesh", "GeometryNodeSubdivisionSurface")


def memory_of(bpy: Any, scene: Any) -> dict[str, Any]:
    """Return the estimated bytes by category, and the five objects or images that need most."""
    things = list(rendered(scene.objects, set()))
    geometry = geometry_of(bpy, scene, things)
    hair = {thing.name: size for thing in things if (size := hair_bytes(thing))}
    textures = {image.name: texture_bytes(image) for image in bpy.data.images if image.users}
    textures |= {volume.name: volume_bytes(bpy, volume) for volume in bpy.data.volumes}
    width, height = size_of(scene)
    parts = {
        "geometry": sum(geometry.values()) + sum(hair.values()) + _copies(bpy, things) * COPY,
        "textures": sum(textures.values()),
        "picture": width * height * PASS_CHANNELS * 4 * 2,
    }
    named = {f"Object '{name}'": size for name, size in (*geometry.items(), *hair.items())}
    named |= {f"Image '{name}'": size for name, size in textures.items()}
    most = sorted(named.items(), key=lambda item: -item[1])[:5]
    return {
        "bytes": BASE + sum(parts.values()) + (EEVEE if is_eevee(scene) else 0),
        **parts,
        "most": [{"object": name, "bytes": size} for name, size in most if size],
    }


def too_large(bpy: Any, path: str, most: int | None) -> dict[str, Any] | None:
    """Return the memory that opening the file needs at least, if it is more than ``most`` bytes.

    Opening builds everything that the viewport shows. Of several scenes, the one that needs least
    counts. If ``most`` is None, this machine's memory is the limit. Return None if the file can be
    opened, or its needs are unknown.
    """
    if most is None:
        most = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:  # the scenes are linked but not shown, so nothing is built
        with bpy.data.libraries.load(path, link=True) as (have, take):
            take.scenes = list(have.scenes)
    except (OSError, RuntimeError):
        return None  # opening the file will raise the error
    needs = [shown_bytes(scene) for scene in take.scenes if scene is not None]
    least = min(needs, key=lambda need: sum(need.values()), default=None)
    if least is None or sum(least.values()) <= most:
        return None
    biggest = sorted(least.items(), key=lambda item: -item[1])[:5]
    told = [{"object": f"Object '{name}'", "bytes": size} for name, size in biggest]
    return {"bytes": BASE + sum(least.values()), "most": told}


def shown_bytes(scene: Any) -> dict[str, int]:
    """Return the bytes of each object in the viewport whose mesh is enlarged by modifiers."""
    found: dict[str, int] = {}
    for thing in scene.objects:
        grown = 1.0 if thing.hide_viewport else growth_of(scene, thing, render=False)
        if grown > 1.0:
            faces = grown * max(len(getattr(thing.data, "polygons", ())), 1)
            found[thing.name] = int(faces * FACE)
    return found


def rendered(things: Iterable[Any], seen: set[str]) -> Iterator[Any]:
    """Yield each rendered object once, including the objects in instanced collections."""
    for thing in things:
        if thing.hide_render or thing.name_full in seen:
            continue
        seen.add(thing.name_full)
        yield thing
        if thing.instance_type == "COLLECTION" and thing.instance_collection is not None:
            yield from rendered(thing.instance_collection.all_objects, seen)


def geometry_of(bpy: Any, scene: Any, things: Iterable[Any]) -> dict[str, int]:
    """Return the bytes of each rendered mesh. Objects that share an unmodified mesh count once."""
    found: dict[str, int] = {}
    seen: set[str] = set()
    shapes = [thing for thing in things if thing.type in KINDS]
    with _lightened(scene, shapes) as shown:
        graph = bpy.context.evaluated_depsgraph_get()
        for thing in shapes:
            key = thing.name_full if len(thing.modifiers) else thing.data.name_full
            if key in seen:
                continue
            seen.add(key)
            more = growth_of(scene, thing, render=True) / shown.get(thing.name_full, 1.0)
            found[thing.name] = int(more * _mesh_bytes(thing, graph))
    return found


@contextlib.contextmanager
def _lightened(scene: Any, shapes: Iterable[Any]) -> Generator[dict[str, float]]:
    """Hide the growing modifiers of large objects inside this context.

    Yields for each object the factor by which the modifiers that remain enlarge its base mesh.
    """
    hidden: list[Any] = []
    shown: dict[str, float] = {}
    for thing in shapes:
        grown = growth_of(scene, thing, render=False)
        if grown * max(len(getattr(thing.data, "polygons", ())), 1) > BUILT_MAX:
            hidden += [modifier for modifier in growing(thing) if modifier.show_viewport]
            grown = 1.0
        shown[thing.name_full] = grown
    try:
        for modifier in hidden:
            modifier.show_viewport = False
        yield shown
    finally:
        for modifier in hidden:
            modifier.show_viewport = True


def _mesh_bytes(thing: Any, graph: Any) -> int:
    done = thing.evaluated_get(graph)
    mesh = done.to_mesh()
    if mesh is None:
        return 0
    triangles = max(len(mesh.loops) - 2 * len(mesh.polygons), 0)
    vertices = len(mesh.vertices)
    done.to_mesh_clear()
    return triangles * TRIANGLE + vertices * VERTEX


def hair_bytes(thing: Any) -> int:
    """Return the bytes of the object's particles, which are points of hairs or instances."""
    size = 0
    for system in thing.particle_systems:
        settings = system.settings
        children = getattr(settings, "rendered_child_count", 0)
        count = settings.count * (max(children, 1) if settings.child_type != "NONE" else 1)
        if settings.render_type == "PATH":
            size += count * (2**settings.render_step + 1) * HAIR_KEY
        elif settings.render_type in ("OBJECT", "COLLECTION"):
            size += count * COPY
    return size


def _copies(bpy: Any, things: Iterable[Any]) -> int:
    """Return the number of instances, up to COPIES_MAX."""
    if not any(_makes_copies(thing) for thing in things):
        return 0
    count = 0
    for found in bpy.context.evaluated_depsgraph_get().object_instances:
        count += bool(found.is_instance)
        if count >= COPIES_MAX:
            break
    return count


def _makes_copies(thing: Any) -> bool:
    return thing.instance_type != "NONE" or any(one.type == "NODES" for one in thing.modifiers)


def texture_bytes(image: Any) -> int:
    """Return the bytes of a picture in memory: four channels of one or four bytes."""
    if image.source in ("VIEWER", "GENERATED") and not image.has_data:
        return 0
    width, height = image.size
    tiles = len(image.tiles) if image.source == "TILED" else 1
    return int(width * height * 4 * (4 if image.is_float else 1) * max(tiles, 1))


def volume_bytes(bpy: Any, volume: Any) -> int:
    """Return the approximate bytes of a volume in memory, from the size of its file."""
    path = bpy.path.abspath(volume.filepath, library=volume.library)
    return VOXELS * os.path.getsize(path) if os.path.isfile(path) else 0


# ── growth of meshes by modifiers ─────────────────────────────────────────────────────────────────


def growth_of(scene: Any, thing: Any, *, render: bool) -> float:
    """Return the factor by which modifiers multiply the object's faces."""
    grown = 1.0
    for modifier in thing.modifiers:
        if modifier.show_render if render else modifier.show_viewport:
            grow = GROWTHS.get(modifier.type)
            grown *= 1.0 if grow is None else max(grow(modifier, thing, scene, render), 1.0)
    return grown


def growing(thing: Any) -> list[Any]:
    """Return the modifiers that may multiply the object's faces."""
    return [modifier for modifier in thing.modifiers if modifier.type in GROWTHS]


def _subdivided(modifier: Any, thing: Any, scene: Any, render: bool) -> float:
    levels = modifier.render_levels if render else modifier.levels
    settings = scene.render
    if settings.use_simplify:
        most = "simplify_subdivision_render" if render else "simplify_subdivision"
        levels = min(levels, getattr(settings, most))
    return float(4**levels)


def _repeated(modifier: Any, thing: Any, scene: Any, render: bool) -> float:
    if modifier.fit_type == "FIXED_COUNT":
        return float(modifier.count)
    length = modifier.fit_length
    if modifier.fit_type == "FIT_CURVE":
        length = _length(modifier.curve)
    step = _step(modifier, thing)
    return length / step if step > 0 else 1.0


def _length(curve: Any) -> float:
    return 0.0 if curve is None else sum(spline.calc_length() for spline in curve.data.splines)


def _step(modifier: Any, thing: Any) -> float:
    """Return the distance between two copies of an array modifier."""
    own = [side / (scale or 1.0) for side, scale in zip(thing.dimensions, thing.scale, strict=True)]
    step = [0.0, 0.0, 0.0]
    if modifier.use_relative_offset:
        told = zip(modifier.relative_offset_displace, own, strict=True)
        step = [share * abs(side) for share, side in told]
    if modifier.use_constant_offset:
        step = [a + b for a, b in zip(step, modifier.constant_offset_displace, strict=True)]
    return float(sum(part * part for part in step) ** 0.5)


def _turned(modifier: Any, thing: Any, scene: Any, render: bool) -> float:
    return float(modifier.render_steps if render else modifier.steps)


def _waves(modifier: Any, thing: Any, scene: Any, render: bool) -> float:
    """Return the factor by which a generated ocean enlarges a mesh.

    A side of the ocean has the squared resolution in faces.
    """
    if modifier.geometry_mode != "GENERATE":
        return 1.0
    resolution = modifier.resolution if render else modifier.viewport_resolution
    faces = resolution**4 * modifier.repeat_x * modifier.repeat_y
    return float(faces / _faces(thing))


def _remeshed(modifier: Any, thing: Any, scene: Any, render: bool) -> float:
    if modifier.mode != "VOXEL":
        return float(SIDES * 4**modifier.octree_depth / _faces(thing))
    size = modifier.voxel_size
    x, y, z = (
        abs(side / (scale or 1.0))
        for side, scale in zip(thing.dimensions, thing.scale, strict=True)
    )
    return float(2 * (x * y + y * z + z * x) / (size * size) / _faces(thing)) if size > 0 else 1.0


def _rounded(modifier: Any, thing: Any, scene: Any, render: bool) -> float:
    return float(modifier.segments**2)


def _noded(modifier: Any, thing: Any, scene: Any, render: bool) -> float:
    """Return the growth by subdivision nodes. The node or the modifier sets the level."""
    grown = 1.0
    for tree, node in _nodes(modifier.node_group, set()):
        if not node.mute and node.bl_idname in LEVELS:
            grown *= 4.0 ** _level(modifier, tree, node)
    return grown


def _nodes(tree: Any, seen: set[str]) -> Iterator[tuple[Any, Any]]:
    if tree is None or tree.name_full in seen:
        return
    seen.add(tree.name_full)
    for node in tree.nodes:
        yield tree, node
        if getattr(node, "node_tree", None) is not None:
            yield from _nodes(node.node_tree, seen)


def _level(modifier: Any, tree: Any, node: Any) -> int:
    """Return the subdivision level of a node; 0 if other nodes compute the level."""
    socket = node.inputs["Level"]
    if not socket.is_linked:
        return int(socket.default_value)
    link = socket.links[0]
    if link.from_node.bl_idname != "NodeGroupInput" or tree != modifier.node_group:
        return 0
    name = link.from_socket.identifier
    interface = getattr(modifier, "properties", None)
    # Blender before 5.2 has the inputs as members of the modifier
    inputs = getattr(interface, "inputs", None)
    told = (
        modifier.get(name) if inputs is None else getattr(getattr(inputs, name, None), "value", 0)
    )
    return told if isinstance(told, int) else 0


def _faces(thing: Any) -> int:
    return max(len(getattr(thing.data, "polygons", ())), 1)


GROWTHS: dict[str, Growth] = {
    "SUBSURF": _subdivided,
    "MULTIRES": _subdivided,
    "ARRAY": _repeated,
    "SCREW": _turned,
    "OCEAN": _waves,
    "REMESH": _remeshed,
    "BEVEL": _rounded,
    "NODES": _noded,
}
