"""What a sign-in remembers while its user is at the provider."""

import base64
import hashlib
import json
from dataclasses import astuple, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from app.auth.identifiers import new_id
from app.auth.oidc.flow import (
    FLOW_LIFETIME,
    Flow,
    FlowExpired,
    FlowInvalid,
    new_flow,
    read_flow,
    same_text,
    write_flow,
)
from app.auth.transports import Transport

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def begin(
    provider: str = "google",
    *,
    return_to: str = "https://app.example.com/welcome?tab=1#top",
    transport: Transport = Transport.BEARER,
    link_user_id: UUID | None = None,
) -> Flow:
    return new_flow(provider, return_to=return_to, transport=transport, now=NOW, link_user_id=link_user_id)


def is_read(written: object, *, now: datetime = NOW) -> bool:
    """Whether a flow is read. Anything but a clean reading or refusal fails the test."""
    try:
        read_flow(written, now)
    except FlowInvalid:
        return False
    return True


@pytest.mark.parametrize("link_user_id", [None, new_id()], ids=["sign-in", "link"])
@pytest.mark.parametrize("transport", Transport)
def test_a_flow_comes_out_of_its_cookie_as_it_went_in(link_user_id: UUID | None, transport: Transport) -> None:
    flow = begin(transport=transport, link_user_id=link_user_id)
    assert read_flow(json.loads(json.dumps(write_flow(flow))), NOW) == flow


def test_a_flow_begins_at_a_whole_second() -> None:
    """So that it comes out as it went in, and never begins after itself."""
    flow = new_flow("google", return_to="/", transport=Transport.COOKIE, now=NOW + timedelta(microseconds=999_999))
    assert flow.begun_at == NOW


def test_state_nonce_and_verifier_are_fresh_and_long() -> None:
    """OA-02, S63, S64: 256 random bits each, and no value is used twice."""
    flows = [begin() for _ in range(200)]
    values = [value for flow in flows for value in (flow.state, flow.nonce, flow.verifier)]
    assert len(set(values)) == 600
    assert {len(base64.urlsafe_b64decode(value + "=")) for value in values} == {32}
    assert len({flow.digest for flow in flows}) == 200


def test_the_challenge_is_the_hash_of_the_verifier() -> None:
    """OA-01, S64: the example of RFC 7636, appendix B."""
    flow = replace(begin(), verifier="dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    assert flow.code_challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_what_names_a_spent_flow_tells_nothing_of_it() -> None:
    """OA-02: it is kept in the database."""
    flow = begin()
    assert flow.digest == replace(flow, nonce="x", return_to="/").digest
    assert len(flow.digest) == 32
    assert flow.digest not in {hashlib.sha256(value.encode()).digest() for value in (flow.state, flow.nonce)}


def test_no_secret_shows() -> None:
    """S74: in a traceback."""
    flow = begin()
    for secret in (flow.state, flow.nonce, flow.verifier):
        assert secret not in repr(flow)


def test_a_flow_lives_ten_minutes() -> None:
    """OA-02"""
    written = write_flow(begin())
    assert timedelta(minutes=10) == FLOW_LIFETIME
    assert is_read(written, now=NOW + FLOW_LIFETIME - SECOND)
    with pytest.raises(FlowExpired):
        read_flow(written, NOW + FLOW_LIFETIME)


def test_a_flow_of_the_future_is_none() -> None:
    """ID-12: another server's clock may be a minute ahead, and not more."""
    written = write_flow(begin())
    assert is_read(written, now=NOW - timedelta(seconds=60))
    assert not is_read(written, now=NOW - timedelta(seconds=61))


GOOD = ["google", "s", "n", "v", "/", 1772366400, None, "bearer"]


@pytest.mark.parametrize(
    "written",
    [
        [],
        {},
        None,
        "google",
        GOOD[:-1],
        [*GOOD, 1],
        [*GOOD[:-1], "carrier pigeon"],
        [*GOOD[:5], "noon", None, "bearer"],
        [*GOOD[:5], 10**30, None, "bearer"],
        [*GOOD[:6], "me", "bearer"],
        [*GOOD[:6], 7, "bearer"],
    ],
    ids=repr,
)
def test_a_flow_of_another_release_is_refused_and_no_error(written: object) -> None:
    """During a deployment two releases read each other's cookies."""
    assert is_read(GOOD)
    assert not is_read(written)


def test_every_member_of_a_flow_is_written() -> None:
    assert len(astuple(begin())) == len(Flow.__slots__) == len(write_flow(begin()))


@pytest.mark.parametrize(
    ("given", "expected", "same"),
    [
        ("a", "a", True),
        ("a", "b", False),
        ("", "", False),
        ("a", "", False),
        ("", "a", False),
        ("\ud800", "a", False),
        ("é", "e", False),
    ],
    ids=ascii,
)
def test_absent_on_both_sides_is_not_equal(given: str, expected: str, same: bool) -> None:
    """OA-03, 3.3-11"""
    assert same_text(given, expected) is same
