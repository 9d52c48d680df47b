"""Rows for the rephraser."""
