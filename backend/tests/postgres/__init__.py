"""A real, throw-away PostgreSQL server for the tests and the benchmarks.

It needs no network and no rights: an ordinary user will do, and root will too, although PostgreSQL itself refuses
to run as root. `python -m tests.postgres` runs such a server in the foreground and prints its URL.
"""

from tests.postgres.binaries import PostgresNotFound, PostgresStartError, find_binaries
from tests.postgres.clean import CleanDatabases
from tests.postgres.server import PostgresServer

__all__ = ["CleanDatabases", "PostgresNotFound", "PostgresServer", "PostgresStartError", "find_binaries"]
