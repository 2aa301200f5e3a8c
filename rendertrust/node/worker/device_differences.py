"""Scenes that honest devices of different kinds render differently.

Blender's own tests exclude hair, overlapping surfaces, path guiding and Open Shading Language when
they compare graphics cards with processors. Surfaces that touch within one mesh, or of two
different meshes, are not detected.
"""

from collections.abc import Iterator
from typing import Any

DIGITS = 4  # of a corner's coordinates


def reasons(scene: Any) -> list[str]:
    """Return why the scene depends on the kind of device, as far as its settings show."""
    if scene.render.engine != "CYCLES":
        return []
    objects = sorted(scene.objects, key=lambda thing: thing.name)
    shown = [thing for thing in objects if not thing.hide_render]
    return [*_settings(scene.cycles), *_hair(shown), *_overlapping(shown)]


def told(scene: Any, order: dict[str, Any]) -> dict[str, str]:
    """Return the report's entry if a device of another kind made the result."""
    found = reasons(scene) if order.get("across") else []
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
    """Yield pairs of meshes with equal bounds and counts, which are copies in one place."""
    seen = dict[tuple[Any, ...], str]()
    for thing in shown:
        if thing.type != "MESH" or not thing.data.polygons:
            continue
        name = (len(thing.data.vertices), len(thing.data.polygons), *_corners(thing))
        if name in seen:
            yield f"overlapping surfaces of Object '{seen[name]}' and Object '{thing.name}'"
        seen.setdefault(name, thing.name)


def _corners(thing: Any) -> list[tuple[float, ...]]:
    """Return the corners of its bounding box, in an order that no rotation changes."""
    matrix = [[float(value) for value in row] for row in thing.matrix_world]
    return sorted(
        tuple(
            round(sum(m * c for m, c in zip(row, corner, strict=False)) + row[3], DIGITS) + 0.0
            for row in matrix[:3]
        )
        for corner in thing.bound_box
    )
