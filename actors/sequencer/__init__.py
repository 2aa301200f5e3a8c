"""Actor that appends every transfer of the books to the transparency log."""
