"""A pool recycled by any number of workers in virtual time: real claims, simulated clock, store and engine."""
