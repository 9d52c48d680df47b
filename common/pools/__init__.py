"""Documents in files, and every one of them exactly once."""
