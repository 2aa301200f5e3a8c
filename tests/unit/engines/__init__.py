"""Parts of the engines that can be tested without an engine."""
