"""Choosing documents: quality scores, selection, mixing."""
