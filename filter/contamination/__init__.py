"""Evaluation items in the pool."""
