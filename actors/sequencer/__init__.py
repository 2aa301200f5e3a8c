"""The sequencer: gives every entry of the books its place in the log."""
