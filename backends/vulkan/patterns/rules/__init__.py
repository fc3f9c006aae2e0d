"""Families of int8 steps, each with its match and its rewrite; see steps.py one folder up.

`quantized_linear.py`, beside that one, is the linear's match; what it is made of is here.
"""
