"""Models that rewards score with."""
