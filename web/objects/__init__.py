"""Files: uploads in parts, archives, what is kept and for how long."""
