"""The first run: an assistant that makes a production gateway's settings and its first admin."""
