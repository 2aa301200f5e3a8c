"""Builder of the documentation site from ``docs/`` and from the declarations of the code."""
