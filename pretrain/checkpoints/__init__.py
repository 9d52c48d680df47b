"""What a run leaves, in ours and others' forms."""
