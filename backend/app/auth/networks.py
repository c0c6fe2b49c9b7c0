"""Which addresses count as one place."""

from ipaddress import IPv6Address, ip_address, ip_network

_IPV4_PREFIX = 24
_IPV6_PREFIX = 48
"""What a provider hands to one site; a home or an office keeps it while single addresses change (RFC 6177)."""


def network_of(address: str | None) -> str | None:
    """Return the network that an address belongs to, such as `203.0.113.0/24`; None for what is no address."""
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    prefix = _IPV6_PREFIX if isinstance(parsed, IPv6Address) else _IPV4_PREFIX
    # Without the zone: fe80::1%eth0 would otherwise be refused as a network.
    return str(ip_network(f"{str(parsed).partition('%')[0]}/{prefix}", strict=False))
