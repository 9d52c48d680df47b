"""One run of a command: its folder, its processes, its shards over them."""
