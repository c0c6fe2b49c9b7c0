"""Serves only the hosts that the settings name, so that a forged Host header reaches no link and no rule."""

import re
from collections.abc import Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from app.exceptions import HostNotAllowed
from app.middleware.raw_headers import all_values

_NAMES = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")


class AllowedHosts:
    """Refuses other hosts. Health probes come by address and are let through: their answers do not use the host."""

    def __init__(self, app: ASGIApp, *, hosts: Sequence[str], unchecked_paths: Sequence[str]) -> None:
        self._app = app
        self._exact = frozenset(host for host in hosts if not host.startswith("*"))
        self._suffixes = tuple(host[1:] for host in hosts if host.startswith("*."))
        self._any = "*" in hosts
        self._unchecked = frozenset(unchecked_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or raise `HostNotAllowed`."""
        if scope["type"] in {"http", "websocket"} and scope["path"] not in self._unchecked:
            self._check([*all_values(scope, b"host")])
        await self._app(scope, receive, send)

    def _check(self, values: list[bytes]) -> None:
        if self._any:
            return
        host = _without_port(values[0].decode("latin-1").lower()) if len(values) == 1 else ""
        if host not in self._exact and not any(_is_below(host, suffix) for suffix in self._suffixes):
            raise HostNotAllowed


def _is_below(host: str, suffix: str) -> bool:
    return host.endswith(suffix) and _NAMES.fullmatch(host.removesuffix(suffix)) is not None


def _without_port(host: str) -> str:
    """Return the host of a Host header: `[::1]:8000` is `[::1]`. Anything odd is kept, and so matches nothing."""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isascii() and port.isdigit() else host
