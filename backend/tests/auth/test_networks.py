from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.auth.networks import network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.0/24"),
        ("203.0.113.0", "203.0.113.0/24"),
        ("203.0.113.255", "203.0.113.0/24"),
        ("0.0.0.0", "0.0.0.0/24"),  # noqa: S104  # An address like any other here: nothing listens on it.
        ("255.255.255.255", "255.255.255.0/24"),
        ("::ffff:203.0.113.7", "203.0.113.0/24"),
        ("::ffff:cb00:7107", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("2001:DB8:1:ffff::", "2001:db8:1::/48"),
        ("2001:0db8:0001:0000:0000:0000:0000:0001", "2001:db8:1::/48"),
        ("::1", "::/48"),
        ("::", "::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("fe80::1%a-zone-with-a-very-long-name-that-no-column-holds", "fe80::/48"),
        ("::ffff:203.0.113.7%eth0", "203.0.113.0/24"),
    ],
)
def test_an_address_belongs_to_the_network_of_its_site(address: str, network: str) -> None:
    """A mapped address is the same place as the one it maps; the zone is a matter of our own machine."""
    assert network_of(address) == network


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        " ",
        "localhost",
        "unix:/run/app.sock",
        "203.0.113.256",
        "203.0.113",
        "203.0.113.7:443",
        "203.0.113.7/24",
        "203.0.113.07",
        " 203.0.113.7",
        "[2001:db8::1]",
        "2001:db8::1::2",
        "2001:db8:::1",
        "1" * 10_000,
        "\x00",
        "fe80::1%",
        "fe80::1%a%b",
        "203.0.113.7%eth0",
        "２０３.0.113.7",  # noqa: RUF001  # Digits that only look like ours.
    ],
    ids=lambda text: ascii(text)[:30],
)
def test_what_is_no_address_is_no_place(text: str | None) -> None:
    assert network_of(text) is None


@given(st.text())
def test_no_text_is_an_accident(text: str) -> None:
    network = network_of(text)
    assert network is None or len(network) <= 50


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_an_address_lies_in_its_network_and_the_column_holds_it(address: IPv4Address | IPv6Address) -> None:
    network = network_of(str(address))
    assert network is not None
    assert len(network) <= 50
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    assert (mapped or address) in ip_network(network)
    assert network_of(str(ip_address(network.split("/")[0]))) == network
