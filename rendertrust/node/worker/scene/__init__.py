"""The artist's scene: opened without its scripts, inspected, and prepared for a render."""
