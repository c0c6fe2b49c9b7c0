"""Door 3: the `ostiary` command."""
