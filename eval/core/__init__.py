"""DCLM CORE."""
