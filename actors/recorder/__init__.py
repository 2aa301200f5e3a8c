"""The recorder: records how nodes connect and disconnect."""
