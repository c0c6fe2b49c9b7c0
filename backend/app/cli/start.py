"""Where the `ostiary` command begins."""

import gc

_LOOKS = 5_000, 10, 10
"""How many more objects than before, how many looks at new ones, and how many at those that outlived one, until the next look."""


def run() -> None:
    """Import everything without collecting garbage meanwhile, of which imports make none, and run the command.

    A fifth of the time to start went into looking through what had just been imported.
    """
    gc.disable()
    from app.cli.main import run as run_command  # noqa: PLC0415  # The point of this module.

    gc.freeze()
    gc.enable()
    run_command()


def collect_rarely() -> None:
    """Let the collector of reference cycles look seldom, and never at what is here already.

    A request leaves no cycle behind, so there is next to nothing to find; but where a thousand are connected and hundreds wait,
    one look at all of them held up everybody else for 60 ms. What lies still stays shared with forked processes as well.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_LOOKS)
