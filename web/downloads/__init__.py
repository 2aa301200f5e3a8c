"""Files that a gateway hands out: wheel, script that joins a machine, and Blender's extension."""
