"""Puzzles without end, each a pure function of seed, index and config."""
