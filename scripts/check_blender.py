"""Inside Blender: imports a mesh that the program wrote, checks it, and renders a picture. Called by check_blender.sh.

arguments after "--": MESH.obj|MESH.glb REPORT.json PICTURE.png
"""
import json
import math
import sys

import bpy
import numpy
from mathutils import Vector

# Debian 12's Blender 3.4 asks its NumPy 1.24 for names that NumPy has dropped; its glTF importer fails without them.
for name, kind in (("bool", bool), ("int", int), ("float", float), ("object", object)):
    if name not in numpy.__dict__:
        setattr(numpy, name, kind)

mesh_file, report_file, picture = sys.argv[sys.argv.index("--") + 1 :]
report = json.load(open(report_file, encoding="utf-8"))
faults = []

bpy.ops.wm.read_factory_settings(use_empty=True)
if mesh_file.endswith(".glb"):
    bpy.ops.import_scene.gltf(filepath=mesh_file)
else:
    bpy.ops.wm.obj_import(filepath=mesh_file)

objects = [o for o in bpy.context.scene.objects if o.type == "MESH"]
if len(objects) != 1:
    sys.exit(f"error: {mesh_file}: {len(objects)} meshes were imported instead of one")
thing = objects[0]
corners = [thing.matrix_world @ Vector(c) for c in thing.bound_box]
low = [min(c[a] for c in corners) for a in range(3)]
high = [max(c[a] for c in corners) for a in range(3)]

# World (x front, y right, z up) becomes Blender's (x right, -y front, z up).
sizes = [report["bounds"]["high"][a] - report["bounds"]["low"][a] for a in range(3)]
for name, found, wanted in zip("xyz", [high[a] - low[a] for a in range(3)], [sizes[1], sizes[0], sizes[2]]):
    if abs(found - wanted) > 1e-4 * max(sizes):
        faults.append(f"size along {name}: {found:.5f} instead of {wanted:.5f}")
if abs(low[2]) > 1e-4:
    faults.append(f"stands at height {low[2]:.5f} instead of 0")
if len(thing.data.polygons) != report["faces"]:
    faults.append(f"{len(thing.data.polygons)} faces instead of {report['faces']}")
if thing.data.validate():
    faults.append("Blender had to mend the mesh")
if "texture" in report:
    images = [i for i in bpy.data.images if i.size[0] > 0]
    if not any(tuple(i.size) == (report["texture"]["size"],) * 2 for i in images):
        faults.append(f"no texture of {report['texture']['size']} texels: {[tuple(i.size) for i in images]}")
    if not thing.data.uv_layers:
        faults.append("no texture coordinates")
    nodes = [n for m in thing.data.materials if m and m.use_nodes for n in m.node_tree.nodes if n.type == "TEX_IMAGE"]
    if not nodes:
        faults.append("no material shows the texture")
if report.get("texture", {}).get("normal_map"):
    maps = [n for m in thing.data.materials if m and m.use_nodes for n in m.node_tree.nodes if n.type == "NORMAL_MAP"]
    pictures = [i.from_node.image for n in maps for i in n.inputs["Color"].links if i.from_node.type == "TEX_IMAGE"]
    if len(pictures) != 1:
        faults.append(f"{len(pictures)} normal maps instead of one")
    elif pictures[0].colorspace_settings.name != "Non-Color":
        # An MTL file cannot say so, and Blender's importer takes every image for colours.
        if mesh_file.endswith(".glb"):
            faults.append(f"normals are taken for colours ({pictures[0].colorspace_settings.name})")
        print(f"NOTE {mesh_file}: {pictures[0].name}: set its colour space to Non-Color, which the importer does not do")
        pictures[0].colorspace_settings.name = "Non-Color"
    elif abs(maps[0].inputs["Strength"].default_value - 1) > 1e-6:
        faults.append(f"the normal map has strength {maps[0].inputs['Strength'].default_value}")

scene = bpy.context.scene
middle = Vector([(low[a] + high[a]) / 2 for a in range(3)])
size = max(high[a] - low[a] for a in range(3))
camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
camera.location = middle + Vector((0.9, -2.2, 0.9)) * size
camera.rotation_euler = (middle - camera.location).to_track_quat("-Z", "Y").to_euler()
light = bpy.data.objects.new("sun", bpy.data.lights.new("sun", "SUN"))
light.data.energy = 1.5
light.rotation_euler = (math.radians(40), 0, math.radians(30))
for o in (camera, light):
    scene.collection.objects.link(o)
scene.camera = camera
scene.world = bpy.data.worlds.new("world")
scene.world.use_nodes = True
scene.world.node_tree.nodes["Background"].inputs[0].default_value = (0.5, 0.5, 0.5, 1)
scene.render.engine = "CYCLES"
scene.cycles.device = "CPU"
scene.cycles.samples = 24
scene.cycles.use_denoising = False
scene.view_settings.view_transform = "Standard"
scene.render.resolution_x = scene.render.resolution_y = 384
scene.render.filepath = picture
bpy.ops.render.render(write_still=True)

for fault in faults:
    print(f"FAULT {mesh_file}: {fault}")
if faults:
    sys.exit(1)
print(f"OK {mesh_file}: {len(thing.data.vertices)} vertices, {len(thing.data.polygons)} faces, upright, textured, right size")
