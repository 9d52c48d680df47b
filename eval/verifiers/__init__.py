"""Was the answer right, in six domains: one result, one registry, one way to remove thinking."""
