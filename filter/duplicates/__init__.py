"""Exact, near, by n-grams."""
