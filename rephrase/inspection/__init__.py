"""A recycled pool to look at: which documents, and how a terminal shows them."""
