"""What only whoever sits at this machine may use: whether others could reach the server, and whether a caller is one.

Development serves pages that let anybody be anybody, or read everybody's mail. They are for loopback alone.
"""

from ipaddress import ip_address

from fastapi import Request

from app.config import LOCAL_HOSTS, Settings
from app.exceptions import NotFoundError
from app.plausibility import host_of

_OF_PROXIES = {"forwarded", "via", "x-real-ip", "cf-connecting-ip", "true-client-ip"}
"""Headers that proxies add, beside X-Forwarded-*."""


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
    """Raise `NotFoundError` for who is not on this machine, or comes through a proxy, whose own address tells nothing."""
    names = {name.lower() for name in request.headers}
    through_proxy = any(name in _OF_PROXIES or name.startswith("x-forwarded-") for name in names)
    if through_proxy or request.client is None or not is_loopback(request.client.host):
        raise NotFoundError("Page")
