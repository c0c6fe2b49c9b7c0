"""Which address is the client's, behind proxies that are trusted and among headers that are not."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.auth.networks import client_address, forwarded, forwarded_for, networks_of, place_of

PROXY, SECOND_PROXY, CLIENT, LIAR = "10.0.0.1", "10.0.0.2", "203.0.113.7", "198.51.100.66"
TRUSTED = networks_of(["10.0.0.0/24", "fd00::/64"])


def seen(peer: str | None, *headers: str) -> str | None:
    return client_address(peer, forwarded_for(headers), TRUSTED)


@pytest.mark.parametrize(
    ("peer", "headers", "expected"),
    [
        (CLIENT, [], CLIENT),
        (CLIENT, [LIAR], CLIENT),
        (CLIENT, [PROXY], CLIENT),
        (PROXY, [], PROXY),
        (PROXY, [CLIENT], CLIENT),
        (PROXY, [f"{LIAR}, {CLIENT}"], CLIENT),
        (PROXY, [LIAR, CLIENT], CLIENT),
        (PROXY, [f"{LIAR},{CLIENT},{SECOND_PROXY}"], CLIENT),
        (PROXY, [f"{PROXY}, {CLIENT}"], CLIENT),
        (PROXY, [f"{PROXY}, {SECOND_PROXY}"], PROXY),
        (PROXY, [f"invalid, {CLIENT}"], CLIENT),
        (PROXY, ["invalid"], PROXY),
        (PROXY, [f"{CLIENT}, invalid"], PROXY),
        (PROXY, [f"{CLIENT}, invalid, {SECOND_PROXY}"], SECOND_PROXY),
        (PROXY, [""], PROXY),
        (PROXY, [f"{CLIENT},"], PROXY),
        (PROXY, [f" \t{CLIENT}\t "], CLIENT),
        (PROXY, [f"{CLIENT}:4711"], CLIENT),
        (PROXY, ["[2001:db8::1]:4711"], "2001:db8::1"),
        (PROXY, ["[2001:db8::1]"], "2001:db8::1"),
        (PROXY, ["2001:DB8:0::1"], "2001:db8::1"),
        (PROXY, ["fe80::1%eth0"], "fe80::1"),
        (PROXY, [f"::ffff:{CLIENT}"], CLIENT),
        (PROXY, ["unknown"], PROXY),
        (PROXY, ["_hidden"], PROXY),
        (PROXY, ["localhost"], PROXY),
        (PROXY, ["203.0.113.256"], PROXY),
        (PROXY, ["203.0.113.07"], PROXY),
        (PROXY, ["203.0.113.7/32"], PROXY),
        (PROXY, ["２０３.0.113.7"], PROXY),  # noqa: RUF001  # Digits that only look like ours.
        (PROXY, ["1" * 10_000], PROXY),
        (PROXY, ["\x00"], PROXY),
        (f"::ffff:{PROXY}", [CLIENT], CLIENT),
        ("fd00::5", [CLIENT], CLIENT),
        ("fd00::5%eth0", [CLIENT], CLIENT),
        ("fd01::5", [CLIENT], "fd01::5"),
        (f"::ffff:{CLIENT}", [LIAR], CLIENT),
        (None, [CLIENT], None),
        ("", [CLIENT], None),
        ("unix:", [CLIENT], "unix:"),
    ],
    ids=lambda value: ascii(value)[:60],
)
def test_the_client_is_the_right_most_whom_no_trusted_proxy_is(
    peer: str | None, headers: Sequence[str], expected: str | None
) -> None:
    """3.6-06, 3.6-07, V4.1.3: the header matrix."""
    assert seen(peer, *headers) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (f"for={CLIENT}", CLIENT),
        (f"FOR={CLIENT};proto=https;by={PROXY}", CLIENT),
        (f"proto=https; for={CLIENT} ;host=x", CLIENT),
        (f'for="{CLIENT}:4711"', CLIENT),
        ('for="[2001:db8::1]:4711"', "2001:db8::1"),
        ('for="[2001:db8::1]"', "2001:db8::1"),
        (f"for={LIAR}, for={CLIENT}", CLIENT),
        (f"for={CLIENT}, for={SECOND_PROXY}", CLIENT),
        (f'for="{LIAR}, for={CLIENT}', CLIENT),
        (f"for={LIAR};for={CLIENT}", PROXY),
        ("for=unknown", PROXY),
        ("for=_hidden", PROXY),
        (f"by={CLIENT}", PROXY),
        (f"host={CLIENT}", PROXY),
        (CLIENT, PROXY),
        ("", PROXY),
    ],
)
def test_the_standard_header_is_read_alike(header: str, expected: str) -> None:
    """3.6-06: RFC 7239, section 4; an open quotation mark swallows nothing of what a proxy adds."""
    assert client_address(PROXY, forwarded([header]), TRUSTED) == expected


@given(st.lists(st.text(max_size=40), max_size=5))
def test_nothing_that_a_client_writes_in_front_changes_what_its_proxy_says(lies: list[str]) -> None:
    """3.6-06."""
    assert seen(PROXY, *lies, CLIENT) == CLIENT
    assert client_address(PROXY, forwarded([*lies, f"for={CLIENT}"]), TRUSTED) == CLIENT


@given(st.lists(st.text(max_size=40), max_size=5))
def test_who_is_no_proxy_is_the_client_whatever_it_says(lies: list[str]) -> None:
    """3.6-06."""
    assert seen(CLIENT, *lies) == CLIENT
    assert client_address(PROXY, forwarded_for([*lies, LIAR]), []) == PROXY


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, "unknown"),
        ("", "unknown"),
        ("unix:", "unknown"),
    ],
)
def test_one_client_is_an_ipv4_address_or_a_64(address: str | None, place: str) -> None:
    """3.6-07."""
    assert place_of(address) == place


@pytest.mark.parametrize("text", ["10.0.0.1/8", "proxy.internal", "", "10.0.0.0/33", "::1/129"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        networks_of([text])
