"""Actor that appends every entry of the books to the transparency log."""
