"""What a browser keeps while its user is at a provider: sealed, short, and worth nothing when anything of it changes."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.auth.identifiers import new_id
from app.auth.keys import derive_key
from app.auth.oidc.flow import FLOW_LIFETIME, new_flow
from app.auth.redirects import MAXIMUM_LENGTH as LONGEST_ADDRESS
from app.auth.redirects import RedirectRefused, safe_return_to
from app.auth.sealing import seal
from app.auth.transports import Transport
from app.exceptions import FlowInvalid
from app.routers.errands import FLOW_COOKIES
from app.services.federation.errands import (
    LONGEST_SCOPES,
    Door,
    Errand,
    open_errand,
    seal_errand,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEY = derive_key("a server secret of this test", "flow-cookie")
FORMER = derive_key("the secret before it", "flow-cookie")
PLACE = "the errand of a browser at a provider"


def begin(provider: str = "google", return_to: str = "https://app.example.com/welcome?tab=1#top") -> Errand:
    flow = new_flow(provider, return_to=return_to, transport=Transport.BEARER, now=NOW, link_user_id=new_id())
    return Errand(
        flow=flow, door=Door.CALLBACK, code_challenge="c" * 43, link_session_id=new_id(), fresh=True, scopes=("a", "b")
    )


def is_open(text: str | None, now: datetime = NOW) -> bool:
    """Whether an errand opens. Anything but a clean opening or refusal fails the test."""
    try:
        open_errand(text, [KEY], now)
    except FlowInvalid:
        return False
    return True


def raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def test_an_errand_comes_out_of_its_cookie_as_it_went_in() -> None:
    errand = begin()
    assert open_errand(seal_errand(errand, [KEY]), [KEY], NOW) == errand
    bare = Errand(flow=replace(errand.flow, link_user_id=None), door=Door.ID_TOKEN)
    assert open_errand(seal_errand(bare, [KEY]), [KEY], NOW) == bare


def test_no_secret_shows_in_the_cookie() -> None:
    """S74"""
    flow = (errand := begin()).flow
    for secret in (flow.state, flow.nonce, flow.verifier, errand.code_challenge or ""):
        assert secret.encode() not in raw(seal_errand(errand, [KEY]))
        assert secret not in repr(errand)


def test_an_errand_ends_with_its_flow() -> None:
    """OA-02"""
    text = seal_errand(begin(), [KEY])
    assert is_open(text)
    assert not is_open(text, NOW + FLOW_LIFETIME)


def test_a_changed_byte_anywhere_makes_it_nobody_s() -> None:
    """OA-02, 3.3-12: nobody writes an errand but this server."""
    sealed = raw(seal_errand(begin(), [KEY]))
    for number in range(len(sealed)):
        changed = sealed[:number] + bytes([sealed[number] ^ 1]) + sealed[number + 1 :]
        assert not is_open(base64url(changed))


def test_an_errand_opens_with_any_key_that_counts_and_with_no_other() -> None:
    """OA-02: SECRET_KEY_PREVIOUS"""
    text = seal_errand(begin(), [FORMER, KEY])
    assert open_errand(text, [KEY, FORMER], NOW).flow.provider == "google"
    assert not is_open(text)


FLOW = ["google", "s", "n", "v", "/", 1772366400, None, "bearer"]
GOOD = [FLOW, "callback", None, None, "", False]


def test_what_was_sealed_for_another_place_is_no_errand() -> None:
    """3.3-12: no other text that this server seals passes for one."""
    content = json.dumps(GOOD).encode()
    assert is_open(base64url(seal(content, key=KEY, place=PLACE)))
    assert not is_open(base64url(seal(content, key=KEY, place="signing_keys/name/ES256/1")))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"null",
        b"7",
        b"[]",
        b"{}",
        json.dumps(GOOD[:4]).encode(),
        json.dumps([*GOOD, 1]).encode(),
        json.dumps(["flow", *GOOD[1:]]).encode(),
        json.dumps([FLOW, "window", *GOOD[2:]]).encode(),
        json.dumps([*GOOD[:3], "me", "", False]).encode(),
        json.dumps([*GOOD[:3], 7, "", False]).encode(),
        json.dumps([*GOOD[:4], None, False]).encode(),
    ],
)
def test_an_errand_of_another_release_is_refused_and_no_error(content: bytes) -> None:
    """During a deployment two releases read each other's cookies."""
    assert not is_open(base64url(seal(content, key=KEY, place=PLACE)))


@pytest.mark.parametrize(
    "text",
    [None, "", "A", "=", "é", "A" * 20, "A" * 1900, "A" * 10_000_000, "\ud800", "a b", "a.b"],
    ids=lambda text: ascii(text)[:9],
)
def test_what_is_no_cookie_of_ours_is_no_errand(text: str | None) -> None:
    """OA-03: an absent flow is a wrong one."""
    assert not is_open(text)


@pytest.mark.parametrize("spelled", ["{}=", "{}==", " {}", "{}\n"])
def test_an_errand_has_one_spelling(spelled: str) -> None:
    """JW-08"""
    text = seal_errand(begin(), [KEY])
    assert is_open(text)
    assert not is_open(spelled.format(text))


def test_the_longest_errands_of_one_browser_fit_into_a_request() -> None:
    """OA-02: a server that refuses so many cookies would lock the browser out until they end."""
    origin = "https://app.example.com"
    longest = f"{origin}/{'a' * (LONGEST_ADDRESS - len(origin) - 1)}"
    errand = replace(begin("p" * 30, safe_return_to(longest, [origin])), scopes=("s" * LONGEST_SCOPES,))
    value = seal_errand(errand, [KEY])
    assert open_errand(value, [KEY], NOW) == errand
    assert sum(len(f"{name}={value}; ") for name in FLOW_COOKIES) < 6000
    with pytest.raises(RedirectRefused):
        safe_return_to(f"{longest}a", [origin])
    with pytest.raises(RedirectRefused):
        safe_return_to(f"{longest.removeprefix(origin)}a", [origin])


def test_an_address_that_was_never_checked_is_not_sealed() -> None:
    """OA-04: better no sign-in than a cookie that the browser drops."""
    with pytest.raises(ValueError, match="too long"):
        seal_errand(begin(return_to="/" + "x" * 5000), [KEY])
