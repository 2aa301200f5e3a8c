"""Reasons why honest renders of one scene may differ.

Renders may differ between parts of a frame, because tiles and crops are rendered with a render
region. A driver, or a shader's Attribute node, may read the region and change the picture in each
part. A driver may also read the number of threads and change the picture on each machine. A script
shader could read a file that only one machine has. Pictures of such scenes cannot be checked in
regions. Keyframes are harmless. Renders may differ between kinds of devices. Blender's own tests
exclude hair, overlapping surfaces, path guiding and Open Shading Language when they compare
graphics cards with processors. Surfaces that touch within one mesh, or between two different
meshes, are not detected. Renders may differ between machines. Drawn frames, and Grease Pencil in
Cycles' frames, depend on the drawing class, and unbaked simulations on the frames that were
rendered before.
"""

import re
from collections.abc import Iterator
from typing import Any

from .files import label, used_by_scenes

QUOTED = re.compile(r"""(["'])(?:\\.|(?!\1).)*\1""")  # quoted names of bones, nodes and properties
# Render settings of a scene in a path, whatever precedes them.
RENDER = re.compile(r"(?:^|[.\]])render\.(\w+)")
SEED = re.compile(r"(?:^|[.\]])cycles\.seed$")
HARMLESS = (
    "fps",
    "fps_base",
)  # equal in all parts of a frame, and read by many drivers
DIGITS = 4  # decimals of a corner's coordinates
DRAWN = ("BLENDER_EEVEE", "BLENDER_WORKBENCH")  # how engines that draw with OpenGL begin
SIMULATING = {"CLOTH", "SOFT_BODY", "DYNAMIC_PAINT", "FLUID", "PARTICLE_SYSTEM"}
WORDS_MAX = 200
NO_TEXT = "a name or path that is no UTF-8"
PENCIL = ("GREASEPENCIL", "GPENCIL")  # types of objects, the second before Blender 4.3
PENCIL_NODE = "GeometryNodeCurvesToGreasePencil"


# ── parts of a frame ──────────────────────────────────────────────────────────────────────────────


def region_dependence(bpy: Any) -> list[str]:
    """Return why parts of a frame may render differently from the whole frame."""
    return [
        f"{type(owner).__name__} {owner.name}: {reader} reads {path}"
        for owner in animated(bpy)
        for reader, path in (*_driven(owner), *_looked_up(owner))
        if reads_render(path)
    ] + list(_script_nodes(bpy))


def seed_reader(bpy: Any) -> str | None:
    """Return the data-block with a driver or Attribute node that reads the seed, if any.

    A check measures the noise with another seed, which must change nothing but the noise.
    """
    for owner in animated(bpy):
        try:
            paths = [path for _, path in (*_driven(owner), *_looked_up(owner))]
        except UnicodeDecodeError:
            continue  # Blender finds no property by such a path
        if any(SEED.search(QUOTED.sub("", path)) for path in paths):
            return label(owner)
    return None


def reads_render(path: str) -> bool:
    """Return True if a driver's path reads render settings other than HARMLESS."""
    found = RENDER.findall(QUOTED.sub("", path))
    return any(name not in HARMLESS for name in found)


def animated(bpy: Any) -> Iterator[Any]:
    """Yield every data-block and node tree that may have drivers and keyframes."""
    for name in dir(bpy.data):
        of = getattr(bpy.data, name)
        if name == "all_ids" or not isinstance(of, bpy.types.bpy_prop_collection):
            continue
        for block in of:
            if hasattr(block, "animation_data"):
                yield block
            inner = getattr(block, "node_tree", None)
            if inner is not None and hasattr(inner, "animation_data"):
                yield inner


def _driven(owner: Any) -> Iterator[tuple[str, str]]:
    """Yield the paths that the owner's drivers read."""
    for curve in owner.animation_data.drivers if owner.animation_data is not None else ():
        for variable in curve.driver.variables:
            yield from (("a driver", target.data_path) for target in variable.targets)


def _looked_up(owner: Any) -> Iterator[tuple[str, str]]:
    """Yield the property paths that the owner's Attribute nodes read, except mesh attributes."""
    for node in getattr(owner, "nodes", ()):
        if node.bl_idname == "ShaderNodeAttribute" and node.attribute_type != "GEOMETRY":
            yield f"Attribute node {node.name}", node.attribute_name


def script_shader(bpy: Any) -> str | None:
    """Return the first script shader (Open Shading Language); None if no scene has one."""
    return next(_script_nodes(bpy), None)


def _script_nodes(bpy: Any) -> Iterator[str]:
    """Yield the script shaders, which can read any picture on the machine."""
    if not any(getattr(scene.cycles, "shading_system", False) for scene in bpy.data.scenes):
        return
    for owner in animated(bpy):
        for node in getattr(owner, "nodes", ()):
            if node.bl_idname == "ShaderNodeScript":
                yield f"{type(owner).__name__} {owner.name}: Script node {node.name}"


# ── kinds of devices ──────────────────────────────────────────────────────────────────────────────


def device_dependence(scene: Any) -> list[str]:
    """Return why the render may depend on the kind of device, by the settings and objects."""
    if scene.render.engine != "CYCLES":
        return []
    objects = sorted(scene.objects, key=lambda thing: thing.name)
    shown = [thing for thing in objects if not thing.hide_render]
    return [*_settings(scene.cycles), *_hair(shown), *_overlapping(shown)]


def device_note(scene: Any, order: dict[str, Any]) -> dict[str, str]:
    """Return the member ``depends`` of a report if the result is from another kind of device."""
    try:
        found = device_dependence(scene) if order.get("across") else []
    except UnicodeDecodeError:
        found = [NO_TEXT]
    return {"depends": found[0]} if found else {}


def _settings(cycles: Any) -> Iterator[str]:
    if cycles.use_guiding:
        yield "Render Properties > Path Guiding"
    if getattr(cycles, "shading_system", False):
        yield "Render Properties > Open Shading Language"


def _hair(shown: list[Any]) -> Iterator[str]:
    for thing in shown:
        if thing.type == "CURVES":
            yield f"hair of Object '{thing.name}'"
        for modifier in thing.modifiers:
            if modifier.type != "PARTICLE_SYSTEM" or not modifier.show_render:
                continue
            system = modifier.particle_system
            if system.settings.type == "HAIR" and system.settings.render_type == "PATH":
                yield f"hair of Object '{thing.name}' > {system.name}"


def _overlapping(shown: list[Any]) -> Iterator[str]:
    """Yield pairs of meshes with equal bounds and counts, which are copies at the same place."""
    seen = dict[tuple[Any, ...], str]()
    for thing in shown:
        if thing.type != "MESH" or not thing.data.polygons:
            continue
        name = (len(thing.data.vertices), len(thing.data.polygons), *_corners(thing))
        if name in seen:
            yield f"overlapping surfaces of Object '{seen[name]}' and Object '{thing.name}'"
        seen.setdefault(name, thing.name)


def _corners(thing: Any) -> list[tuple[float, ...]]:
    """Return the corners of the object's bounding box in the world, sorted."""
    matrix = [[float(value) for value in row] for row in thing.matrix_world]
    return sorted(
        tuple(
            round(sum(m * c for m, c in zip(row, corner, strict=False)) + row[3], DIGITS) + 0.0
            for row in matrix[:3]
        )
        for corner in thing.bound_box
    )


# ── machines of one class ─────────────────────────────────────────────────────────────────────────


def may_differ(bpy: Any, scene: Any, *, by_driver: bool = True) -> bool:
    """Return True if two machines of one class may render the scene differently.

    The machines may have different numbers of threads. ``by_driver``: the machines may also have
    different graphics drivers, so every drawn scene counts as different. Without ``by_driver``,
    only differences within one drawing class count.
    """
    cycles, layers = scene.cycles, [layer for layer in scene.view_layers if layer.use]
    learns = cycles.use_guiding and not cycles.use_deterministic_guiding
    engines = {of.render.engine for of in _shown(bpy, scene) if by_driver or not is_drawn(of)}
    return bool(
        engines - {"CYCLES"}
        or (by_driver and grease_pencil(bpy))
        or (scene.render.engine == "CYCLES" and learns)
        or any(layer.cycles.pass_render_time for layer in layers)
        or region_dependence(bpy)
        or next(iter(unbaked(scene)), None)
    )


def _shown(bpy: Any, scene: Any) -> list[Any]:
    """Return the scene, and each scene that another data-block uses, as the frame may show it."""
    others = [of for of in bpy.data.scenes if of != scene]
    users = bpy.data.user_map(subset=others) if others else {}
    return [scene, *(of for of in others if any(map(_may_show, users[of] - {of})))]


def _may_show(user: Any) -> bool:
    return type(user).__name__ not in ("WindowManager", "WorkSpace", "Screen")


def note(bpy: Any, scene: Any) -> dict[str, Any]:
    """Return the member ``loose`` of a report if honest frames of one drawing class may differ.

    A name that is not UTF-8 must not end the check, as the result would then be free.
    """
    try:
        is_loose = may_differ(bpy, scene, by_driver=not is_drawn(scene))
    except UnicodeDecodeError:
        is_loose = True
    return {"loose": True} if is_loose else {}


def fault_note(bpy: Any) -> dict[str, Any]:
    """Return the member ``loose`` of a report if an honest frame may have a ``fault``.

    Other renders differ in their pixels. Only what reads the machine may change a file's layers.
    Call this before the scene gets another engine.
    """
    try:
        is_loose = bool(region_dependence(bpy))
    except UnicodeDecodeError:
        is_loose = True
    return {"loose": True} if is_loose else {}


def unbaked(scene: Any) -> Iterator[str]:
    """Yield unbaked simulations, which cannot start in the middle of the animation.

    Simulation zones are left out, because Blender does not tell whether they are baked.
    """
    for thing in _with_instances(scene.objects):
        for modifier in thing.modifiers:
            if any(not is_baked for is_baked in _bakes(modifier)):
                yield f"{label(thing)} > {modifier.name}"
        for system in thing.particle_systems:
            is_emitter = system.settings.type == "EMITTER" and system.settings.physics_type != "NO"
            if (is_emitter or system.use_hair_dynamics) and not system.point_cache.is_baked:
                yield f"{label(thing)} > {system.name}"
    world = scene.rigidbody_world
    if world is None or not world.enabled or not world.collection:
        return
    if len(world.collection.objects) and not world.point_cache.is_baked:
        yield f"Scene '{scene.name}' > Rigid Body World"


def simulates(bpy: Any) -> bool:
    """Return True if the file has simulations, baked or not."""
    kinds = {modifier.type for thing in bpy.data.objects for modifier in thing.modifiers}
    nodes = {node.bl_idname for tree in bpy.data.node_groups for node in tree.nodes}
    has_bodies = any(of.rigidbody_world is not None for of in bpy.data.scenes)
    return bool(kinds & SIMULATING or has_bodies or "GeometryNodeSimulationOutput" in nodes)


def _with_instances(objects: Any) -> list[Any]:
    """Return the objects, and the objects of the collections that they instance."""
    found = dict.fromkeys(objects)
    waiting = [*found]
    while waiting:
        instanced = waiting.pop().instance_collection
        more = [of for of in (instanced.all_objects if instanced else ()) if of not in found]
        found |= dict.fromkeys(more)
        waiting += more
    return [*found]


def _bakes(modifier: Any) -> Iterator[bool]:
    """Yield for each simulation of the modifier True if it is baked, otherwise False."""
    if modifier.type in ("CLOTH", "SOFT_BODY"):
        yield modifier.point_cache.is_baked
    elif modifier.type == "DYNAMIC_PAINT" and modifier.canvas_settings is not None:
        surfaces = modifier.canvas_settings.canvas_surfaces
        yield from (of.point_cache.is_baked for of in surfaces if of.surface_format == "VERTEX")
    elif modifier.type == "FLUID" and modifier.domain_settings is not None:
        yield modifier.domain_settings.has_cache_baked_data


def grease_pencil(bpy: Any) -> str | None:
    """Return the label of Grease Pencil that frames may show; None if there is none.

    Blender draws it with OpenGL over a render by Cycles.
    """
    pencils = [of for of in bpy.data.objects if of.type in PENCIL]
    users = bpy.data.user_map(subset=pencils) if pencils else {}
    found = [of for of in pencils if not _is_hidden(of, users[of])]
    found += [
        tree
        for tree in bpy.data.node_groups
        if any(node.bl_idname == PENCIL_NODE for node in tree.nodes)
    ]
    used = used_by_scenes(bpy) if found else set[Any]()
    return next((label(of) for of in found if of in used), None)


def _is_hidden(thing: Any, users: set[Any]) -> bool:
    """Return True if no frame shows the object: neither itself, nor by way of another object."""
    if not thing.hide_render or thing.animation_data is not None:
        return False
    return all(type(user).__name__ in ("Scene", "Collection") for user in users)


def is_drawn(scene: Any) -> bool:
    """Return True if EEVEE or Workbench draws the scene."""
    return bool(scene.render.engine.startswith(DRAWN))


def drawing_class() -> str | None:
    """Return the graphics driver with its version.

    For a software driver, add the processor's maker. Frames of one drawing class are equal. Return
    None if nothing was drawn in this process.
    """
    import gpu  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    platform: Any = gpu.platform  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]
    try:
        names = ("backend_type_get", "vendor_get", "renderer_get", "version_get")
        told = [str(getattr(platform, name)()) for name in names]
        is_software = platform.device_type_get() == "SOFTWARE"
    except SystemError:
        return None
    return "; ".join([*told, *([_processor_maker()] if is_software else [])])[:WORDS_MAX]


def _processor_maker() -> str:
    """Return the processor's maker, for which software drivers compile their code."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            found = next((line for line in file if line.startswith("vendor_id")), "")
    except OSError:
        found = ""
    return found.partition(":")[2].strip() or "unknown processor"
