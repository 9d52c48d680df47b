"""Questions that repeat each other, or that hold what an evaluation set asks."""
