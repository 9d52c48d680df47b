"""Text generation, whatever makes it."""
