"""What every stage shares: configuration, shards, launching, engines and run folders."""
