"""Shared set-up of the tests."""

from model_cases import keep_stock_pattern_graphs

keep_stock_pattern_graphs()
