"""Scenes of different character for the comparison across devices.

The rule (``rendertrust.node.worker.checks.exchangeability``) was frozen before the first eight
scenes were rendered, with one exception: the statistic ``softest`` was added because of what four
of these scenes showed. The other six scenes were made and rendered after that. No threshold of the
rule was chosen by any of the scenes.
"""

from collections.abc import Mapping
from typing import Final

FIRST_SCENES: Final[Mapping[str, str]] = {
    "rough metal": """
give(floor(), material("dark", Base_Color=(0.05, 0.05, 0.06, 1), Roughness=0.25))
cube.hide_render = True
for number in range(9):
    place = (number % 3 * 1.7 - 1.7, number // 3 * 1.7 - 1.7, -0.3)
    bpy.ops.mesh.primitive_uv_sphere_add(radius=0.7, location=place)
    bpy.ops.object.shade_smooth()
    colour = (random.random(), random.random(), random.random(), 1)
    give(bpy.context.object, material(
        f"metal {number}", Metallic=1.0, Roughness=0.05 + 0.1 * number, Base_Color=colour))
""",
    "fog beam": """
floor()
air = bpy.data.materials.new("air")
air.use_nodes = True
nodes, links = air.node_tree.nodes, air.node_tree.links
nodes.remove(nodes["Principled BSDF"])
scatter = nodes.new("ShaderNodeVolumeScatter")
scatter.inputs["Density"].default_value, scatter.inputs["Anisotropy"].default_value = 0.12, 0.5
links.new(scatter.outputs[0], nodes["Material Output"].inputs["Volume"])
bpy.ops.mesh.primitive_cube_add(size=12, location=(0, 0, 4.5))
give(bpy.context.object, air)
bpy.data.objects["Light"].hide_render = True
beam = bpy.data.lights.new("beam", "SPOT")
beam.energy, beam.spot_size, beam.spot_blend = 3000, 0.5, 0.2
thing = bpy.data.objects.new("beam", beam)
thing.location, thing.rotation_euler = (3, -1, 4.5), (0.3, 0.6, 0)
scene.collection.objects.link(thing)
""",
    "grass": """
import bmesh
cube.hide_render = True
give(floor(), material("earth", Base_Color=(0.1, 0.06, 0.03, 1)))
blades = bmesh.new()
for _ in range(6000):
    x, y = random.uniform(-4, 4), random.uniform(-4, 4)
    lean, side = random.uniform(-0.3, 0.3), random.uniform(0, 6.3)
    wide = (0.015 * math.cos(side), 0.015 * math.sin(side))
    high = random.uniform(0.4, 1.2)
    corners = [(x - wide[0], y - wide[1], -1), (x + wide[0], y + wide[1], -1),
               (x + lean, y + lean * random.uniform(-1, 1), high - 1)]
    blades.faces.new([blades.verts.new(corner) for corner in corners])
mesh = bpy.data.meshes.new("grass")
blades.to_mesh(mesh)
thing = bpy.data.objects.new("grass", mesh)
scene.collection.objects.link(thing)
give(thing, material("green", Base_Color=(0.1, 0.4, 0.05, 1), Roughness=0.6))
""",
    "neon": """
give(floor(), material("wet", Base_Color=(0.1, 0.1, 0.1, 1), Roughness=0.2))
bpy.data.objects["Light"].hide_render = True
scene.world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0.02
for number in range(40):
    place = [random.uniform(-5, 5), random.uniform(-5, 5), random.uniform(-0.9, 2)]
    bpy.ops.mesh.primitive_cube_add(size=random.uniform(0.05, 0.5), location=place)
    colour = (random.random(), random.random(), random.random(), 1)
    give(bpy.context.object, material(
        f"neon {number}", Emission_Color=colour, Emission_Strength=random.uniform(1, 30)))
""",
    "caustics": """
give(floor(), material("chalk", Base_Color=(0.7, 0.7, 0.7, 1)))
cube.hide_render = True
sun = bpy.data.objects["Light"].data
sun.shadow_soft_size, sun.energy = 0.3, 1500
for number, place in enumerate([(-1.5, 0, -0.2), (0.8, 1.2, 0), (0.9, -1.6, -0.4)]):
    bpy.ops.mesh.primitive_torus_add(location=place, major_radius=0.8, minor_radius=0.25)
    bpy.ops.object.shade_smooth()
    give(bpy.context.object, material(
        f"crystal {number}", Transmission_Weight=1.0, Roughness=0.02 * number, IOR=1.6))
scene.cycles.caustics_reflective = scene.cycles.caustics_refractive = True
scene.cycles.sample_clamp_indirect = 0
""",
    "gravel": """
made = material("gravel", Roughness=0.7)
nodes, links = made.node_tree.nodes, made.node_tree.links
stones, bump = nodes.new("ShaderNodeTexVoronoi"), nodes.new("ShaderNodeBump")
stones.inputs["Scale"].default_value = 40.0
links.new(stones.outputs["Distance"], bump.inputs["Height"])
links.new(stones.outputs["Color"], nodes["Principled BSDF"].inputs["Base Color"])
links.new(bump.outputs[0], nodes["Principled BSDF"].inputs["Normal"])
for thing in (floor(), cube):
    give(thing, made)
lamp = bpy.data.lights.new("window", "AREA")
lamp.energy, lamp.size = 400, 3
bpy.data.objects["Light"].data = lamp
""",
    "wax": """
give(floor(), material("wood", Base_Color=(0.3, 0.15, 0.07, 1), Roughness=0.4))
cube.hide_render = True
bpy.ops.mesh.primitive_monkey_add(size=2.4, rotation=(0, 0, 0.9))
bpy.ops.object.shade_smooth()
wax = material("wax", Base_Color=(0.9, 0.6, 0.4, 1), Subsurface_Weight=1.0, Subsurface_Scale=0.4)
wax.node_tree.nodes["Principled BSDF"].inputs["Subsurface Radius"].default_value = (1, 0.4, 0.2)
give(bpy.context.object, wax)
""",
    "carousel": """
give(floor(), material("sand", Base_Color=(0.6, 0.5, 0.3, 1)))
scene.render.use_motion_blur, scene.render.motion_blur_shutter = True, 1.0
middle = bpy.data.objects.new("middle", None)
scene.collection.objects.link(middle)
cube.scale = (0.4, 0.4, 0.4)
for number in range(12):
    thing = cube if number == 0 else cube.copy()
    if number:
        scene.collection.objects.link(thing)
    turn = number * math.pi / 6
    thing.location, thing.parent = (2.2 * math.cos(turn), 2.2 * math.sin(turn), -0.5), middle
for frame, turn in ((1, 0.0), (8, 2.5)):
    middle.rotation_euler[2] = turn
    middle.keyframe_insert("rotation_euler", frame=frame)
camera = scene.camera.data
camera.dof.use_dof, camera.dof.focus_distance, camera.dof.aperture_fstop = True, 7.0, 0.4
""",
}

LATER_SCENES: Final[Mapping[str, str]] = {
    "plume": """
give(floor(), material("ash", Base_Color=(0.2, 0.2, 0.2, 1)))
cube.scale = (1.6, 1.6, 1.6)
smoke = bpy.data.materials.new("plume")
smoke.use_nodes = True
nodes, links = smoke.node_tree.nodes, smoke.node_tree.links
nodes.remove(nodes["Principled BSDF"])
gas, noise = nodes.new("ShaderNodeVolumePrincipled"), nodes.new("ShaderNodeTexNoise")
noise.inputs["Scale"].default_value, noise.inputs["Detail"].default_value = 1.5, 2.0
scene.cycles.volume_biased, scene.cycles.volume_step_rate = True, 3.0
gas.inputs["Emission Color"].default_value = (1.0, 0.4, 0.1, 1)
links.new(noise.outputs[0], gas.inputs["Density"])
links.new(noise.outputs[0], gas.inputs["Emission Strength"])
links.new(gas.outputs[0], nodes["Material Output"].inputs["Volume"])
give(cube, smoke)
""",
    "fur": """
give(floor(), material("carpet", Base_Color=(0.4, 0.1, 0.1, 1), Roughness=0.9))
cube.hide_render = True
bpy.ops.mesh.primitive_torus_add(major_radius=1.4, minor_radius=0.6)
ring = bpy.context.object
give(ring, material("fur", Base_Color=(0.5, 0.3, 0.15, 1), Roughness=0.5))
ring.modifiers.new("fur", "PARTICLE_SYSTEM")
fur = ring.particle_systems[0].settings
fur.type, fur.count, fur.hair_length, fur.hair_step = "HAIR", 3000, 0.35, 5
""",
    "jewels": """
give(floor(), material("velvet", Base_Color=(0.02, 0.02, 0.08, 1), Sheen_Weight=0.5))
cube.hide_render = True
for number in range(24):
    place = (random.uniform(-3, 3), random.uniform(-3, 3), random.uniform(-0.8, 0.2))
    bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=1, radius=0.35, location=place)
    colour = (random.uniform(0.3, 1), random.uniform(0.3, 1), random.uniform(0.3, 1), 1)
    give(bpy.context.object, material(
        f"jewel {number}", Transmission_Weight=1.0, Roughness=0.0, IOR=2.2, Base_Color=colour))
""",
    "weave": """
made = material("cloth", Roughness=0.8, Sheen_Weight=0.3)
nodes, links = made.node_tree.nodes, made.node_tree.links
shader = nodes["Principled BSDF"]
threads = [nodes.new("ShaderNodeTexWave") for _ in range(2)]
threads[1].bands_direction = "Y"
both = nodes.new("ShaderNodeMix")
both.data_type, both.blend_type = "RGBA", "MULTIPLY"
both.inputs[0].default_value = 1.0
for number, wave in enumerate(threads):
    wave.inputs["Scale"].default_value = 60.0
    links.new(wave.outputs["Color"], both.inputs[6 + number])
links.new(both.outputs[2], shader.inputs["Base Color"])
for thing in (floor(), cube):
    give(thing, made)
sky = scene.world.node_tree.nodes["Background"]
sky.inputs["Color"].default_value, sky.inputs["Strength"].default_value = (0.4, 0.6, 1, 1), 0.8
""",
    "marble": """
give(floor(), material("slate", Base_Color=(0.15, 0.16, 0.18, 1), Roughness=0.35))
cube.hide_render = True
stone = material("marble", Subsurface_Weight=0.6, Subsurface_Scale=0.2, Coat_Weight=0.5)
nodes, links = stone.node_tree.nodes, stone.node_tree.links
veins, colours = nodes.new("ShaderNodeTexNoise"), nodes.new("ShaderNodeValToRGB")
veins.inputs["Scale"].default_value, veins.inputs["Distortion"].default_value = 2.0, 3.0
colours.color_ramp.elements[0].color = (0.1, 0.1, 0.12, 1)
links.new(veins.outputs[0], colours.inputs[0])
links.new(colours.outputs[0], nodes["Principled BSDF"].inputs["Base Color"])
for place in ((-1.6, 0, 0), (1.6, 0.6, 0)):
    bpy.ops.mesh.primitive_cylinder_add(radius=0.7, depth=2.2, location=place)
    give(bpy.context.object, stone)
scene.camera.data.dof.use_dof = True
scene.camera.data.dof.focus_distance, scene.camera.data.dof.aperture_fstop = 8.0, 0.8
""",
    "stage": """
give(floor(), material("boards", Base_Color=(0.25, 0.13, 0.06, 1), Roughness=0.3))
bpy.data.objects["Light"].hide_render = True
scene.world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0.05
give(cube, material("box", Base_Color=(0.8, 0.8, 0.8, 1), Metallic=0.5, Roughness=0.3))
for number in range(16):
    lamp = bpy.data.lights.new(f"spot {number}", "SPOT")
    lamp.energy, lamp.spot_size, lamp.shadow_soft_size = 300, 0.6, 0.2
    lamp.color = (random.random(), random.random(), random.random())
    thing = bpy.data.objects.new(lamp.name, lamp)
    turn = number * math.pi / 8
    thing.location = (3 * math.cos(turn), 3 * math.sin(turn), 5)
    thing.rotation_euler = (random.uniform(-0.4, 0.4), random.uniform(-0.4, 0.4), 0)
    scene.collection.objects.link(thing)
""",
}
