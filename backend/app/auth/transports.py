"""How a client carries its session."""

from enum import StrEnum


class Transport(StrEnum):
    """Chosen at sign-in, and never changed after. The values are stable: they stand in rows and answers."""

    BEARER = "bearer"
    """A JWT and a refresh token in JSON, for programs and for pages that keep tokens themselves."""
    COOKIE = "cookie"
    """One `HttpOnly` cookie that no script can read, for pages of the same site."""
