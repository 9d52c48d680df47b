"""Threshold, fraction, budget."""
