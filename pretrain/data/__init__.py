"""Contexts behind one cursor."""
