"""Suites of generated answers: what is asked, how it is sampled, judged and summed up; the tasks are data."""
