"""Growth of meshes by modifiers, computed from settings without building anything."""

from collections.abc import Callable, Iterator
from typing import Any

SIDES = 6  # of a box, which approximates a remeshed surface
# A growth: modifier, its object, the scene, True for a render -> factor of the number of faces.
Growth = Callable[[Any, Any, Any, bool], float]


def growth_of(scene: Any, thing: Any, *, render: bool) -> float:
    """Return the factor by which modifiers multiply the object's faces."""
    grown = 1.0
    for modifier in thing.modifiers:
        if modifier.show_render if render else modifier.show_viewport:
            grow = GROWTHS.get(modifier.type)
            grown *= 1.0 if grow is None else max(grow(modifier, thing, scene, render), 1.0)
    return grown


def growing(thing: Any) -> list[Any]:
    """Return the modifiers that may multiply its faces."""
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
    """Return the distance between two copies."""
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
    """Return the growth by a generated ocean, whose side has the resolution squared in faces."""
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
    """Return the growth by subdivision nodes, with levels from the node or the modifier."""
    grown = 1.0
    for tree, node in _nodes(modifier.node_group, set()):
        if not node.mute and node.bl_idname in LEVELS:
            grown *= 4.0 ** _level(modifier, tree, node)
    return grown


LEVELS = ("GeometryNodeSubdivideMesh", "GeometryNodeSubdivisionSurface")


def _nodes(tree: Any, seen: set[str]) -> Iterator[tuple[Any, Any]]:
    if tree is None or tree.name_full in seen:
        return
    seen.add(tree.name_full)
    for node in tree.nodes:
        yield tree, node
        if getattr(node, "node_tree", None) is not None:
            yield from _nodes(node.node_tree, seen)


def _level(modifier: Any, tree: Any, node: Any) -> int:
    """Return a node's subdivision level; 0 if other nodes compute it."""
    socket = node.inputs["Level"]
    if not socket.is_linked:
        return int(socket.default_value)
    link = socket.links[0]
    if link.from_node.bl_idname != "NodeGroupInput" or tree != modifier.node_group:
        return 0
    name = link.from_socket.identifier
    interface = getattr(modifier, "properties", None)
    inputs = getattr(interface, "inputs", None)  # since 5.2; members of the modifier before
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
