"""The recorder writes down how nodes connect and disconnect."""
