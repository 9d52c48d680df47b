"""Pools to contexts."""
