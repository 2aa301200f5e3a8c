"""Actor that requeues units whose lease ended, and fails units that waited too long."""
