"""Who works on which parts of which shard: claims that several machines make in one pool."""
