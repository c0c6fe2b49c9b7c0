"""What only whoever sits at this machine may use: whether others could reach the server, and whether a caller is one.

Development serves pages that let anybody be anybody, or read everybody's mail. They are for loopback alone.
"""

import re
from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from fastapi import Request

from app.config import LOCAL_HOSTS, Settings
from app.exceptions import NotFoundError
from app.plausibility import host_of

_OF_PROXIES = re.compile(
    r"forwarded|via|x-(forwarded|original|envoy|arr|cluster)-.*|x-real-ip|(.*-)?client-?ip|.*-connecting-ip",
    re.IGNORECASE,
)
"""Headers that proxies add."""


def is_on_this_machine_only(settings: Settings) -> bool:
    """Whether the server listens on the loopback interface alone, and calls itself by one of its names."""
    return host_of(settings.PUBLIC_URL) in LOCAL_HOSTS and is_loopback(settings.HOST)


def is_loopback(host: str) -> bool:
    """Whether a host, as a socket or a setting names it, is this machine as nobody else can reach it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


async def check_on_this_machine(request: Request) -> None:
    """Raise `NotFoundError` for who is not on this machine, or calls it by another name than PUBLIC_URL's.

    So for who comes through a proxy, whose own address tells nothing, unless it leaves no trace at all.
    """
    _check_here(request, {_own_name(request)})


async def check_on_this_machine_by_any_name(request: Request) -> None:
    """The same, by any of the names that nobody else can give themselves: browsers want `localhost` for some things."""
    port = urlsplit(f"//{_own_name(request)}").port
    _check_here(request, {f"{host}:{port}" if port else host for host in LOCAL_HOSTS})


def _own_name(request: Request) -> str:
    settings: Settings = request.app.state.runtime.settings
    return urlsplit(settings.PUBLIC_URL).netloc


def _check_here(request: Request, names: Collection[str]) -> None:
    through_proxy = any(_OF_PROXIES.fullmatch(name) for name in request.headers)
    here = request.client is not None and is_loopback(request.client.host)
    if through_proxy or not here or request.headers.get("host") not in names:
        raise NotFoundError("Page")
