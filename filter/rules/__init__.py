"""Heuristics, one by one as a recipe lists them."""
