"""A recycled document beside its page: which stretch became which, and why one stayed as it was."""
