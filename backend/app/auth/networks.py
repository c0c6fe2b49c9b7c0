"""Which address a request comes from, and which addresses count as one place. Headers are only as true as their writer."""

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
_Address = IPv4Address | IPv6Address

_IPV4_PREFIX = 24
_IPV6_PREFIX = 48
"""What a provider hands to one site; a home or an office keeps it while single addresses change (RFC 6177)."""
_ONE_CLIENT_PREFIX = 64
"""What one machine can take addresses from as it likes (RFC 4291, section 2.5.1)."""
_HOP = re.compile(
    r"(?P<v4>[0-9.]+):[0-9]+|\[(?P<v6>[0-9a-f:.]+)\](?::[0-9]+)?|(?P<bare>[0-9a-f:.]+(?:%[\w.-]{1,15})?)",
    re.IGNORECASE | re.ASCII,
)
"""An address, perhaps with a port behind it."""
_LONGEST_HOP = 64
UNKNOWN_PLACE = "unknown"


def network_of(address: str | None) -> str | None:
    """Return the network that an address belongs to, such as `203.0.113.0/24`; None for what is no address."""
    try:
        parsed = _plain(ip_address(address or ""))
    except ValueError:
        return None
    return _network(parsed, _IPV6_PREFIX if isinstance(parsed, IPv6Address) else _IPV4_PREFIX)


def place_of(address: str | None) -> str:
    """Return what stands for one client when tries are counted: an IPv4 address, or the /64 of an IPv6 address.

    An IPv4 address that is written as IPv6 is itself. All that is no address is one place.
    """
    try:
        parsed = _plain(ip_address(address or ""))
    except ValueError:
        return UNKNOWN_PLACE
    return _network(parsed, _ONE_CLIENT_PREFIX) if isinstance(parsed, IPv6Address) else str(parsed)


def client_address(peer: str | None, hops: Sequence[str], trusted: Sequence[Network]) -> str | None:
    """Return the address of the client behind proxies: the right-most one that no trusted proxy has.

    `peer` is who is connected; `hops` is what the proxies say, the nearest last. Nobody is believed but a trusted proxy,
    and of what it says only the last word, unless that names a trusted proxy again. What is no address ends the walk:
    then the client is the proxy that handed it on. A peer that has no address, such as a socket file's, stays as it is.
    """
    nearest = _address_in(peer or "")
    if nearest is None:
        return peer or None
    for hop in reversed(hops):
        farther = _address_in(hop) if is_in(nearest, trusted) else None
        if farther is None:
            break
        nearest = farther
    return str(nearest)


def forwarded_for(values: Iterable[str]) -> list[str]:
    """Return the hops of `X-Forwarded-For`, the nearest last; several headers of the name count as one list."""
    return [entry.strip(" \t") for value in values for entry in value.split(",")]


def forwarded(values: Iterable[str]) -> list[str]:
    """Return the hops of `Forwarded` (RFC 7239, section 4), the nearest last; "" for one that does not say whom for."""
    return [_for_whom(element) for element in forwarded_for(values)]


def is_in(address: _Address, networks: Sequence[Network]) -> bool:
    """Whether an address lies in one of these networks."""
    return any(address in network for network in networks)


def networks_of(texts: Iterable[str]) -> list[Network]:
    """Return networks from texts such as `10.0.0.0/8` or `::1`. Raises `ValueError`, also for `10.0.0.1/8`."""
    return [ip_network(text) for text in texts]


def _for_whom(element: str) -> str:
    pairs = [pair.partition("=") for pair in element.split(";")]
    named = [value.strip(' \t"') for name, _, value in pairs if name.strip(" \t").lower() == "for"]
    return named[0] if len(named) == 1 else ""


def _address_in(text: str) -> _Address | None:
    """Return the address in a text that may have a port as well: `203.0.113.7:4711`, `[2001:db8::1]:4711`."""
    found = _HOP.fullmatch(text) if len(text) <= _LONGEST_HOP else None
    if found is None:
        return None
    try:
        return _plain(ip_address(found["bare"] or found["v6"] or found["v4"]))
    except ValueError:
        return None


def _plain(address: _Address) -> _Address:
    """Return an address without its zone, which is a matter of our own machine, and IPv4 in its own form."""
    if isinstance(address, IPv4Address):
        return address
    return address.ipv4_mapped or IPv6Address(int(address))


def _network(address: _Address, prefix: int) -> str:
    return str(ip_network(f"{address}/{prefix}", strict=False))
