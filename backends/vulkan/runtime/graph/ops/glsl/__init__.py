"""Shaders, and the tables that Python reads too."""
