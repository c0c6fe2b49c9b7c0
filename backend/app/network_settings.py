"""The settings of what stands between clients and this server: names, proxies. It reads nothing itself."""

import re
from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo
from pydantic_settings import NoDecode

from app.provider_settings import is_production


def _check_hosts(value: list[str], info: ValidationInfo) -> list[str]:
    if "*" in value and is_production(info):
        raise ValueError("is '*'. List the host names that lead here; PUBLIC_URL's is served already")
    if any("/" in host or re.search(r":[0-9]+$", host) for host in value):
        raise ValueError("holds a URL or a port. Write host names only: accounts.example.com")
    return value


def _check_proxies(value: list[str], info: ValidationInfo) -> list[str]:
    try:
        networks = [ip_network(entry) for entry in value]
    except ValueError:
        raise ValueError(
            "holds an entry that is no address or network. Write 10.0.0.5 or 10.0.0.0/24, not a host name"
        ) from None
    if is_production(info) and any(network.prefixlen == 0 for network in networks):
        raise ValueError("trusts everybody, so that every client could say where it comes from. List your proxies")
    return value


AllowedHosts = Annotated[
    list[str],
    NoDecode,
    AfterValidator(_check_hosts),
    Field(
        description="Further Host names that are served beside PUBLIC_URL's; `*.example.com` takes sub-domains.",
    ),
]
TrustedProxies = Annotated[
    list[str],
    NoDecode,
    AfterValidator(_check_proxies),
    Field(
        description="Addresses or networks of your reverse proxies, separated by commas: `10.0.0.5,fd00::/64`. They alone "
        "are believed when they say where a request comes from. Empty: whoever is connected is the client.",
    ),
]
ForwardedHeader = Annotated[
    Literal["X-Forwarded-For", "Forwarded"],
    Field(description="The header in which your proxies say so, each adding its own. The other one is never read."),
]
