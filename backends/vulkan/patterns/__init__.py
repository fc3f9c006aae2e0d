"""Our rewrite rules, registered with the stock pattern engine under their names.

The engine visits every node in order and asks each rule; see registration.py.
"""

from .registration import register

register()
