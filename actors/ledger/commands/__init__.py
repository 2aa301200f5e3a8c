"""Functions that apply effects to a draft of the books; a module for each kind of row."""
