"""What a run takes before it is started: the pool sampled, the rate measured, hours, disk and cost with their error."""
