"""What eval.run does."""
