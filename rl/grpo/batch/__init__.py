"""What a batch of completions comes to: the account of what each earned, and means over its tokens."""
