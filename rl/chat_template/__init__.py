"""A template that opens thinking."""
