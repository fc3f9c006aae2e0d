"""Changes of a graph before its steps are matched, and clean-ups of what is left after."""
