"""Rephrasing shards of documents with a trained model."""
