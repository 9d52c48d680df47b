"""What follows from the stages: verdicts in words, what was made from what, what did not finish."""
