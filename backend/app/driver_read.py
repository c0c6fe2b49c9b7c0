"""A read that is asked all the time: its text is made once, and the driver runs it with nothing in between (PostgreSQL).

SQLAlchemy takes 250 µs of the processor for the statement of sixteen callers, the driver 90: on `GET /auth/me` a tenth of all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from asyncpg import InterfaceError, PostgresError
from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.database import AWAY_STATES, patience
from app.exceptions import DatabaseUnavailable

_CONNECTION_STATES = "08"
"""The class of PostgreSQL's codes for connections that broke."""


@dataclass(frozen=True, slots=True)
class _Held:
    connection: AsyncConnection
    driver: Any

    async def throw_away(self) -> None:
        await self.connection.invalidate()
        await self.connection.close()


class DriverRead:
    """One statement with one parameter that changes. It keeps the connections that it has needed, one for each read at once."""

    def __init__(self, engine: AsyncEngine, statement: Select[*tuple[Any, ...]], *, parameter: str) -> None:
        """Prepare; `engine` is in AUTOCOMMIT, and lends nothing that somebody else is waiting for."""
        compiled = statement.compile(dialect=engine.dialect, compile_kwargs={"render_postcompile": True})
        names: Sequence[str] = getattr(compiled, "positiontup", None) or ()
        self._engine = engine
        self._text = str(compiled)
        self._values = [compiled.params[name] for name in names]
        self._place = names.index(parameter)
        self._idle: list[_Held] = []
        self.listeners: list[Callable[[str], None]] = []
        """Told of the statement each time, as SQLAlchemy's events tell of all others."""

    async def rows(self, value: object) -> Sequence[Any]:
        """Return the driver's records, whose columns are those of the statement, in its order.

        Raises `DatabaseUnavailable` when the database does not answer.
        """
        for listener in self.listeners:
            listener(self._text)
        held = await self._take()
        values = [*self._values]
        values[self._place] = value
        is_whole = False
        try:
            found: Sequence[Any] = await held.driver.fetch(self._text, *values)
            is_whole = True
        except (OSError, TimeoutError, InterfaceError, PostgresError) as error:
            if _is_away(error):
                raise DatabaseUnavailable from error
            raise
        finally:
            if is_whole:
                self._idle.append(held)
            else:
                await held.throw_away()
        return found

    async def close(self) -> None:
        """Give the connections back. Nothing may be asked meanwhile."""
        while self._idle:
            await self._idle.pop().connection.close()

    async def _take(self) -> _Held:
        while self._idle:
            held = self._idle.pop()
            # The driver knows from the socket what the server has closed meanwhile.
            if not held.driver.is_closed():
                return held
            await held.throw_away()
        async with patience():
            connection = await self._engine.connect()
        return _Held(connection, (await connection.get_raw_connection()).driver_connection)


def _is_away(error: BaseException) -> bool:
    if isinstance(error, OSError | TimeoutError | InterfaceError):
        return True
    state = getattr(error, "sqlstate", None) or ""
    return state in AWAY_STATES or state.startswith(_CONNECTION_STATES)
