"""What runs in the sandbox's own processes; standard library only, so that they start small."""
