"""Which of the processes that share some work this one is."""

import multiprocessing


def process_number() -> int | None:
    """This process's number among all that the main one has started, from 0; None for the main process itself."""
    number = multiprocessing.current_process().name.rpartition("-")[2]
    return int(number) - 1 if number.isdigit() else None
