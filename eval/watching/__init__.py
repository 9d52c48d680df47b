"""What a run folder says while the run goes on, and in what words."""
