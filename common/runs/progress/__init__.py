"""How far long work is, while it goes on: on a terminal, in a log, and in the run folder."""
