"""What rules are written in: edge ops, constants, functions, forms, edits of a graph."""
