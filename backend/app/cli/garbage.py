"""How often a process that serves looks for garbage."""

import gc

LOOKS = 5_000, 10, 10
"""How many more objects than before, how many looks at new ones, and how many at those that outlived one, until the next look."""


def collect_rarely() -> None:
    """Let the collector of reference cycles look seldom, and never at what is here already: call it once all is made.

    Requests leave next to nothing for it to find; but where a thousand are connected and hundreds wait, one look at all of
    them held up everybody else for 60 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*LOOKS)
