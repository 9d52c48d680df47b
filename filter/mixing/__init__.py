"""How often each source comes, in one order."""
