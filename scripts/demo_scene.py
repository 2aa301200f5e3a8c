"""Build the demo's scene and save it.

Run ``python scripts/demo_scene.py OUT.blend`` with ``bpy``, or without it
``blender -b --factory-startup -P scripts/demo_scene.py -- OUT.blend``.

Coloured glass on a pale floor at dusk: a low sun from the left, a cool sky, coloured shadows. The
script builds all objects itself, without textures and add-ons.
"""

import math
import random
import sys
from typing import Any

WIDTH, HEIGHT, SAMPLES = 640, 360, 48
FRAMES, RATE = 8, 8  # number of frames, and frames per second
HAZE, SKY_STRENGTH = (0.85, 0.43, 0.26), 0.75


def new_material(bpy: Any, name: str) -> tuple[Any, Any, Any]:
    """Create a material without shader nodes; return the material, its nodes and its links."""
    material = bpy.data.materials.new(name)
    if bpy.app.version < (5, 0):  # newer versions always use nodes, and warn here
        material.use_nodes = True
    material.node_tree.nodes.clear()
    return material, material.node_tree.nodes, material.node_tree.links


def glass(bpy: Any, name: str, colour: tuple[float, float, float], roughness: float = 0.0) -> Any:
    """Create coloured glass with a coloured shadow.

    For shadow rays the glass is a tinted filter, which resembles real glass without the noise of
    caustics.
    """
    material, nodes, links = new_material(bpy, name)
    out = nodes.new("ShaderNodeOutputMaterial")
    mix = nodes.new("ShaderNodeMixShader")
    path = nodes.new("ShaderNodeLightPath")
    bright = nodes.new("ShaderNodeBsdfGlass")
    shade = nodes.new("ShaderNodeBsdfTransparent")
    bright.inputs["Color"].default_value = (*colour, 1)
    bright.inputs["Roughness"].default_value = roughness
    bright.inputs["IOR"].default_value = 1.48
    shade.inputs["Color"].default_value = (*(0.85 * part for part in colour), 1)
    links.new(path.outputs["Is Shadow Ray"], mix.inputs[0])
    links.new(bright.outputs[0], mix.inputs[1])
    links.new(shade.outputs[0], mix.inputs[2])
    links.new(mix.outputs[0], out.inputs["Surface"])
    return material


def solid(
    bpy: Any, name: str, colour: tuple[float, float, float], roughness: float, metal: float = 0.0
) -> Any:
    """Create a plain surface: metal or lacquer."""
    material, nodes, links = new_material(bpy, name)
    out = nodes.new("ShaderNodeOutputMaterial")
    surface = nodes.new("ShaderNodeBsdfPrincipled")
    surface.inputs["Base Color"].default_value = (*colour, 1)
    surface.inputs["Roughness"].default_value = roughness
    surface.inputs["Metallic"].default_value = metal
    links.new(surface.outputs[0], out.inputs["Surface"])
    return material


def floor_material(bpy: Any) -> Any:
    """Pale polished plaster with soft clouds in it, fading into the evening haze far away."""
    material, nodes, links = new_material(bpy, "floor")
    out = nodes.new("ShaderNodeOutputMaterial")
    surface = nodes.new("ShaderNodeBsdfPrincipled")
    clouds, ramp = nodes.new("ShaderNodeTexNoise"), nodes.new("ShaderNodeValToRGB")
    clouds.inputs["Scale"].default_value = 0.9
    clouds.inputs["Detail"].default_value = 6
    ramp.color_ramp.elements[0].color = (0.20, 0.19, 0.22, 1)
    ramp.color_ramp.elements[1].color = (0.44, 0.40, 0.38, 1)
    place = nodes.new("ShaderNodeTexCoord")
    links.new(place.outputs["Object"], clouds.inputs["Vector"])
    links.new(clouds.outputs[0], ramp.inputs[0])
    links.new(ramp.outputs[0], surface.inputs["Base Color"])
    surface.inputs["Roughness"].default_value = 0.30
    far, reach = nodes.new("ShaderNodeCameraData"), nodes.new("ShaderNodeMapRange")
    reach.inputs["From Min"].default_value, reach.inputs["From Max"].default_value = 9, 60
    reach.interpolation_type = "SMOOTHSTEP"
    haze, mix = nodes.new("ShaderNodeEmission"), nodes.new("ShaderNodeMixShader")
    haze.inputs["Color"].default_value = (*HAZE, 1)
    haze.inputs["Strength"].default_value = SKY_STRENGTH
    links.new(far.outputs["View Distance"], reach.inputs["Value"])
    links.new(reach.outputs[0], mix.inputs[0])
    links.new(surface.outputs[0], mix.inputs[1])
    links.new(haze.outputs[0], mix.inputs[2])
    links.new(mix.outputs[0], out.inputs["Surface"])
    return material


def put(bpy: Any, material: Any, *, smooth: bool = True, bevel: float = 0.0) -> Any:
    """Give the newest object its material and finish."""
    thing = bpy.context.object
    thing.data.materials.append(material)
    if bevel:
        edge = thing.modifiers.new("edge", "BEVEL")
        edge.width, edge.segments = bevel, 3
    if smooth:
        bpy.ops.object.shade_smooth()
    return thing


def stage(bpy: Any) -> None:
    """Create a floor that runs to the horizon."""
    bpy.ops.mesh.primitive_plane_add(size=400, location=(0, 100, 0))
    put(bpy, floor_material(bpy), smooth=False)


def glasses(bpy: Any) -> None:
    """Create the big pieces, from left to right."""
    add = bpy.ops.mesh
    add.primitive_uv_sphere_add(
        segments=96, ring_count=48, radius=0.95, location=(-1.55, 0.35, 0.95)
    )
    put(bpy, glass(bpy, "teal", (0.36, 0.86, 0.80)))
    add.primitive_ico_sphere_add(subdivisions=1, radius=0.82, location=(0.42, -0.75, 0.66))
    gem = put(bpy, glass(bpy, "amber", (1.0, 0.58, 0.16)), smooth=False)
    gem.rotation_euler = (0.36, 0.12, 0.5)
    add.primitive_cylinder_add(vertices=6, radius=0.50, depth=2.5, location=(0.95, 1.55, 1.25))
    pillar = put(bpy, glass(bpy, "violet", (0.62, 0.44, 0.98)), smooth=False, bevel=0.03)
    pillar.rotation_euler = (0, 0, 0.35)
    add.primitive_torus_add(
        major_radius=0.72, minor_radius=0.24, major_segments=96, minor_segments=36,
        location=(2.35, -0.15, 0.80), rotation=(1.22, 0.0, -0.55),
    )  # fmt: skip
    put(bpy, glass(bpy, "rose", (0.98, 0.34, 0.46)))


def metals(bpy: Any) -> None:
    """Create a copper ring around the sphere, and a gold ball."""
    bpy.ops.mesh.primitive_torus_add(
        major_radius=1.22, minor_radius=0.045, major_segments=128, minor_segments=20,
        location=(-1.55, 0.35, 0.95), rotation=(1.15, 0.35, 0.2),
    )  # fmt: skip
    put(bpy, solid(bpy, "copper", (0.95, 0.50, 0.32), 0.18, metal=1))
    bpy.ops.mesh.primitive_uv_sphere_add(
        segments=64, ring_count=32, radius=0.27, location=(-0.42, -1.3, 0.27)
    )
    put(bpy, solid(bpy, "gold", (1.0, 0.76, 0.33), 0.12, metal=1))


def pearls(bpy: Any) -> None:
    """Scatter small balls behind and between the pieces, denser away from the middle."""
    pick = random.Random(20)
    tones = [
        solid(bpy, "pearl", (0.85, 0.82, 0.78), 0.25),
        solid(bpy, "night", (0.05, 0.08, 0.16), 0.15),
        solid(bpy, "coral", (0.80, 0.22, 0.14), 0.30),
        glass(bpy, "clear", (0.95, 0.98, 1.0)),
    ]
    for number in range(46):
        angle, reach = pick.uniform(0, math.tau), 2.1 + 4.6 * pick.random() ** 0.8
        radius = pick.uniform(0.06, 0.17)
        x, y = 1.25 * reach * math.cos(angle), 1.2 + 0.9 * reach * math.sin(angle)
        if y < -1.9:
            continue
        bpy.ops.mesh.primitive_uv_sphere_add(
            segments=40, ring_count=20, radius=radius, location=(x, y, radius)
        )
        put(bpy, tones[number % len(tones)])


def low_sun(bpy: Any) -> None:
    """Create the disc of the setting sun in the direction of the light: a glowing ball far away."""
    material, nodes, links = new_material(bpy, "sun")
    out, glow = nodes.new("ShaderNodeOutputMaterial"), nodes.new("ShaderNodeEmission")
    glow.inputs["Color"].default_value, glow.inputs["Strength"].default_value = (
        (1, 0.40, 0.13, 1),
        1.9,
    )
    links.new(glow.outputs[0], out.inputs["Surface"])
    bpy.ops.mesh.primitive_uv_sphere_add(
        segments=96, ring_count=48, radius=8, location=(-15, 120, 3.4)
    )
    put(bpy, material)


def lights(bpy: Any) -> None:
    """Create a low warm sun with a soft edge, and a cool sheet of light from the right behind."""
    bpy.ops.object.light_add(type="SUN", rotation=(math.radians(60), 0, math.radians(-132)))
    sun = bpy.context.object.data
    sun.energy, sun.color, sun.angle = 6.0, (1.0, 0.74, 0.50), math.radians(3.5)
    bpy.ops.object.light_add(
        type="AREA", location=(4.5, 4.5, 3.6), rotation=(math.radians(-52), 0, math.radians(-38))
    )
    sheet = bpy.context.object.data
    sheet.energy, sheet.color, sheet.size = 170, (0.55, 0.70, 1.0), 3.5


def sky(bpy: Any) -> None:
    """Create the sky: from peach at the horizon through plum to deep blue."""
    world = bpy.data.worlds.new("dusk")
    bpy.context.scene.world = world
    if bpy.app.version < (5, 0):
        world.use_nodes = True
    nodes, links = world.node_tree.nodes, world.node_tree.links
    nodes.clear()
    place, split = nodes.new("ShaderNodeTexCoord"), nodes.new("ShaderNodeSeparateXYZ")
    ramp, light = nodes.new("ShaderNodeValToRGB"), nodes.new("ShaderNodeBackground")
    out = nodes.new("ShaderNodeOutputWorld")
    stops = ((0.0, HAZE), (0.04, (0.86, 0.36, 0.30)), (0.12, (0.40, 0.22, 0.42)),
             (0.34, (0.08, 0.12, 0.32)), (1.0, (0.01, 0.02, 0.08)))  # fmt: skip
    elements = ramp.color_ramp.elements
    elements[0].position, elements[1].position = stops[0][0], stops[-1][0]
    elements[0].color, elements[1].color = (*stops[0][1], 1), (*stops[-1][1], 1)
    for position, colour in stops[1:-1]:
        elements.new(position).color = (*colour, 1)
    links.new(place.outputs["Generated"], split.inputs[0])
    links.new(split.outputs["Z"], ramp.inputs[0])
    links.new(ramp.outputs[0], light.inputs["Color"])
    links.new(light.outputs[0], out.inputs["Surface"])
    light.inputs["Strength"].default_value = SKY_STRENGTH


def camera(bpy: Any) -> None:
    """Create the camera: low, slightly from the right, focused on the gem."""
    bpy.ops.object.camera_add(location=(0.95, -8.7, 2.15))
    eye = bpy.context.object
    bpy.ops.object.empty_add(location=(0.38, 0.0, 0.92))
    aim = eye.constraints.new("TRACK_TO")
    aim.target, aim.track_axis, aim.up_axis = bpy.context.object, "TRACK_NEGATIVE_Z", "UP_Y"
    eye.data.lens = 42
    eye.data.dof.use_dof = True
    eye.data.dof.focus_distance = 8.0
    eye.data.dof.aperture_fstop = 1.6
    bpy.context.scene.camera = eye


def motion(bpy: Any) -> None:
    """Animate the scene: the gem turns by a face, and the camera moves a little.

    The first frame is the same as without animation.
    """
    gem, eye = bpy.data.objects["Icosphere"], bpy.context.scene.camera
    for frame, turn, glide in ((1, 0.0, 0.0), (1 + FRAMES, math.tau / 5, -0.9)):
        gem.rotation_euler = (0.36, 0.12, 0.5 + turn)
        gem.keyframe_insert("rotation_euler", frame=frame)
        eye.location = (0.95 + glide, -8.7, 2.15)
        eye.keyframe_insert("location", frame=frame)
    bpy.context.scene.frame_set(1)


def settings(bpy: Any) -> None:
    """Set up Cycles on the processor, denoised, the same on every machine."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples, scene.cycles.seed = SAMPLES, 7
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.use_denoising = True
    scene.cycles.max_bounces, scene.cycles.transmission_bounces = 10, 10
    scene.cycles.caustics_reflective = scene.cycles.caustics_refractive = False
    scene.cycles.sample_clamp_indirect = 6.0
    scene.render.resolution_x, scene.render.resolution_y = WIDTH, HEIGHT
    scene.render.resolution_percentage = 100
    scene.render.fps, scene.frame_start, scene.frame_end = RATE, 1, FRAMES
    scene.render.dither_intensity = 0
    scene.render.image_settings.file_format = "PNG"
    scene.view_settings.view_transform = "AgX"
    scene.view_settings.look = "AgX - Medium High Contrast"


def main() -> None:
    """Build the scene, and save it compressed."""
    import bpy  # type: ignore[import-untyped,unused-ignore]  # noqa: PLC0415

    bpy.ops.wm.read_factory_settings(use_empty=True)
    for part in (stage, glasses, metals, pearls, low_sun, lights, sky, camera, motion, settings):
        part(bpy)
    bpy.ops.wm.save_as_mainfile(filepath=sys.argv[-1], compress=True)


if __name__ == "__main__":
    main()
