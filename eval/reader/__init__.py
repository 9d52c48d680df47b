"""Pools and rollouts in a browser: a small local server over an index of each, which is built once."""
