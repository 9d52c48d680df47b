"""Tokenising, training and exporting language models."""
