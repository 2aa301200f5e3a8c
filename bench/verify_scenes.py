"""Ten scenes; each has a feature that may make honest renders differ or hide lies."""

from collections.abc import Mapping
from typing import Final

HEAD: Final = """
import bpy, math, random, sys
random.seed(7)
scene = bpy.context.scene
scene.render.engine = "CYCLES"
scene.cycles.device = "CPU"
scene.cycles.samples = 16
scene.cycles.use_denoising = False
scene.render.resolution_x, scene.render.resolution_y = 96, 54
scene.render.resolution_percentage = 100
cube = bpy.data.objects["Cube"]

def material(name, **inputs):
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    shader = made.node_tree.nodes["Principled BSDF"]
    for key, value in inputs.items():
        shader.inputs[key.replace("_", " ")].default_value = value
    return made

def give(thing, made):
    thing.data.materials.clear()
    thing.data.materials.append(made)

def floor():
    bpy.ops.mesh.primitive_plane_add(size=30, location=(0, 0, -1))
    return bpy.context.object
"""
SAVE: Final = "\nbpy.ops.wm.save_as_mainfile(filepath=sys.argv[-1], compress=True)\n"

SCENES: Final[Mapping[str, str]] = {
    "hair": """
floor()
cube.hide_render = True
bpy.ops.mesh.primitive_uv_sphere_add(radius=1.2)
ball = bpy.context.object
ball.modifiers.new("fur", "PARTICLE_SYSTEM")
fur = ball.particle_systems[0].settings
fur.type, fur.count, fur.hair_length, fur.hair_step = "HAIR", 800, 0.5, 4
""",
    "glass": """
give(floor(), material("grey", Base_Color=(0.4, 0.4, 0.45, 1)))
bpy.ops.mesh.primitive_uv_sphere_add(radius=1.3, segments=32, ring_count=16)
give(bpy.context.object, material("glass", Transmission_Weight=1.0, Roughness=0.0, IOR=1.5))
give(cube, material("red", Base_Color=(0.8, 0.05, 0.05, 1)))
cube.location = (-1.5, 1.5, 0)
""",
    "motion blur": """
floor()
scene.render.use_motion_blur = True
scene.render.motion_blur_shutter = 0.8
for frame, place in ((1, -3.0), (8, 4.0)):
    cube.location[0] = place
    cube.rotation_euler[2] = place
    cube.keyframe_insert("location", frame=frame)
    cube.keyframe_insert("rotation_euler", frame=frame)
""",
    "textures": """
picture = bpy.data.images.new("noise", 256, 256)
picture.pixels.foreach_set([random.random() for _ in range(256 * 256 * 4)])
picture.pack()
for thing in (floor(), cube):
    made = material("textured", Roughness=0.3)
    nodes = made.node_tree.nodes
    texture, checks = nodes.new("ShaderNodeTexImage"), nodes.new("ShaderNodeTexChecker")
    texture.image = picture
    checks.inputs["Scale"].default_value = 23.0
    made.node_tree.links.new(texture.outputs[0], checks.inputs[1])
    made.node_tree.links.new(checks.outputs[0], nodes["Principled BSDF"].inputs["Base Color"])
    give(thing, made)
""",
    "many lights": """
floor()
for number in range(80):
    lamp = bpy.data.lights.new(f"lamp {number}", "POINT")
    lamp.energy = random.uniform(5, 60)
    lamp.color = [random.random() for _ in range(3)]
    thing = bpy.data.objects.new(lamp.name, lamp)
    thing.location = [random.uniform(-5, 5), random.uniform(-5, 5), random.uniform(0, 4)]
    scene.collection.objects.link(thing)
""",
    "displacement": """
floor()
bpy.ops.mesh.primitive_grid_add(x_subdivisions=120, y_subdivisions=120, size=5, location=(0, 0, 0))
ground = bpy.context.object
cube.hide_render = True
made = material("waves", Roughness=0.4)
made.displacement_method = "BOTH"
nodes, links = made.node_tree.nodes, made.node_tree.links
noise, shift = nodes.new("ShaderNodeTexNoise"), nodes.new("ShaderNodeDisplacement")
noise.inputs["Scale"].default_value = 4.0
links.new(noise.outputs[0], shift.inputs["Height"])
links.new(shift.outputs[0], nodes["Material Output"].inputs["Displacement"])
give(ground, made)
""",
    "text": """
floor()
cube.hide_render = True
bpy.ops.object.text_add(location=(-2.4, 0, 0), rotation=(1.0, 0, 0.6))
words = bpy.context.object
words.data.body, words.data.extrude, words.data.bevel_depth = "Trust", 0.12, 0.02
give(words, material("gold", Metallic=1.0, Roughness=0.15, Base_Color=(0.9, 0.6, 0.1, 1)))
""",
    "simulation cache": """
floor()
cube.hide_render = True
bpy.ops.mesh.primitive_grid_add(x_subdivisions=24, y_subdivisions=24, size=3, location=(0, 0, 1.5))
cloth = bpy.context.object
cloth.modifiers.new("cloth", "CLOTH")
bpy.ops.mesh.primitive_uv_sphere_add(radius=0.8)
bpy.context.object.modifiers.new("collision", "COLLISION")
cache = cloth.modifiers["cloth"].point_cache
cache.frame_start, cache.frame_end = 1, 8
with bpy.context.temp_override(scene=scene, active_object=cloth, point_cache=cache):
    bpy.ops.ptcache.bake(bake=True)
""",
    "big mesh": """
floor()
cube.hide_render = True
bpy.ops.mesh.primitive_monkey_add(size=2.4)
head = bpy.context.object
detail = head.modifiers.new("detail", "SUBSURF")
detail.levels = detail.render_levels = 5
give(head, material("clay", Base_Color=(0.7, 0.4, 0.3, 1)))
""",
    "volume": """
floor()
smoke = bpy.data.materials.new("smoke")
smoke.use_nodes = True
nodes, links = smoke.node_tree.nodes, smoke.node_tree.links
nodes.remove(nodes["Principled BSDF"])
fog, noise = nodes.new("ShaderNodeVolumePrincipled"), nodes.new("ShaderNodeTexNoise")
noise.inputs["Scale"].default_value = 3.0
links.new(noise.outputs[0], fog.inputs["Density"])
links.new(fog.outputs[0], nodes["Material Output"].inputs["Volume"])
give(cube, smoke)
""",
}
# Thresholds are chosen on these five scenes and tested on the other five.
TUNED_ON: Final = ("hair", "volume", "textures", "displacement", "simulation cache")
REPORTED_ON: Final = tuple(name for name in SCENES if name not in TUNED_ON)
SEED: Final = "\nscene.cycles.seed = 99\n"
