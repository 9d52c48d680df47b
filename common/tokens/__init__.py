"""Text and token ids, and the set that stages hand on."""
