"""The sequencer: assigns every entry of the books its place in the log."""
