"""From a name to a model that can be scored."""
