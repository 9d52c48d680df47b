"""The training row and the layouts that it is read from and written to."""
