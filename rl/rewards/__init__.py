"""Rewards, one module per family."""
