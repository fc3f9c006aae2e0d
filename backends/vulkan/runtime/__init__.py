"""The delegate library and its loader."""
