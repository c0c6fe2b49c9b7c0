import json
from typing import Any

import pytest

from tests.auth.passkeys.scene import (
    APP,
    CHALLENGE,
    PARTY,
    both_verdicts,
    creation,
    device,
    kept,
    registered,
    request,
    used,
    verdict,
)
from tests.authenticator import TYPE_OF_CREATE, TYPE_OF_GET, Quirks, encode

ORIGIN = PARTY.origins[0]


@pytest.mark.parametrize("origin", PARTY.origins)
def test_each_of_our_origins_is_taken(origin: str) -> None:
    """WA-03: the second has a port, the third is an app."""
    assert both_verdicts(Quirks(origin=origin)) == ("accepted", "accepted")


@pytest.mark.parametrize(
    "origin",
    [
        *("http://accounts.example.com", "https://accounts.example.com:443", "https://accounts.example.com:8443"),
        *("https://example.com", "https://login.accounts.example.com", "https://accounts.example.com.evil.example"),
        *("https://accounts.example.com/", "https://ACCOUNTS.example.com", "https://accounts.example.com."),
        *("https://accounts.example.com ", "https://evil.example", "https://evil.example/https://accounts.example.com"),
        *("null", "", "accounts.example.com", "https://\u0430ccounts.example.com", "https://accounts.example.com\x00"),
        *(APP[:-1], APP + "=", APP.upper(), APP.removeprefix("android:"), "android:apk-key-hash:", "ios:bundle-id:x"),
    ],
)
def test_any_other_origin_is_refused(origin: str) -> None:
    """WA-03: scheme, port, sub-domain, spelling, look-alike, another app."""
    assert both_verdicts(Quirks(origin=origin)) == ("origin", "origin")


@pytest.mark.parametrize("origin", [None, True, 0, [ORIGIN], {"0": ORIGIN}])
def test_an_origin_that_is_no_text_is_refused(origin: object) -> None:
    """WA-03, WA-18."""
    assert both_verdicts(Quirks(client_data={"origin": origin})) == ("origin", "origin")


@pytest.mark.parametrize("said", [True, None, 0, 1, "false", "true", [], {}])
def test_an_answer_from_a_page_that_another_embeds_is_refused(said: object) -> None:
    """WA-03: everything but a plain false."""
    assert both_verdicts(Quirks(client_data={"crossOrigin": said})) == ("cross_origin", "cross_origin")


@pytest.mark.parametrize("top", [ORIGIN, "https://evil.example", "", None])
@pytest.mark.parametrize("cross_origin", [None, False, True])
def test_an_answer_that_names_the_page_around_it_is_refused(top: object, cross_origin: object) -> None:
    """WA-03: even when it is ours."""
    quirks = Quirks(cross_origin=cross_origin, client_data={"topOrigin": top})
    assert both_verdicts(quirks) == ("cross_origin", "cross_origin")


def test_an_old_browser_that_says_nothing_of_embedding_is_taken() -> None:
    assert both_verdicts(Quirks(cross_origin=None)) == ("accepted", "accepted")


def test_an_answer_is_good_for_its_own_kind_of_ceremony_alone() -> None:
    """WA-02: types are swapped."""
    assert both_verdicts(Quirks(type=TYPE_OF_GET)) == ("type", "accepted")
    assert both_verdicts(Quirks(type=TYPE_OF_CREATE)) == ("accepted", "type")


@pytest.mark.parametrize("kind", ["webauthn.creates", "Webauthn.get", "payment.get", "navigator.id.getAssertion", " "])
def test_an_answer_of_no_known_kind_is_refused(kind: str) -> None:
    """WA-02."""
    assert both_verdicts(Quirks(type=kind)) == ("type", "type")


@pytest.mark.parametrize("challenge", [b"", CHALLENGE[:-1], CHALLENGE + b"\x00", CHALLENGE[::-1], bytes(32)])
def test_an_answer_to_another_challenge_is_refused(challenge: bytes) -> None:
    """WA-01, WA-02."""
    assert both_verdicts(Quirks(challenge=challenge)) == ("challenge", "challenge")


@pytest.mark.parametrize(
    "text", [encode(CHALLENGE) + "=", encode(CHALLENGE) + "\n", encode(CHALLENGE)[:-1] + "9", None]
)
def test_a_challenge_has_one_spelling(text: object) -> None:
    """WA-02: the library takes padding, line ends and unused bits."""
    assert both_verdicts(Quirks(client_data={"challenge": text})) == ("challenge", "challenge")


@pytest.mark.parametrize("member", ["type", "challenge", "origin"])
def test_client_data_without_a_member_is_refused(member: str) -> None:
    """WA-02, WA-03, WA-18."""

    def without(raw: bytes) -> bytes:
        return json.dumps({name: value for name, value in json.loads(raw).items() if name != member}).encode()

    assert both_verdicts(Quirks(change_client_data=without)) == (member, member)


def test_a_byte_order_mark_is_passed_over() -> None:
    """WA-02: as UTF-8 decode does (WebAuthn, section 7.1, step 5)."""
    marked = Quirks(change_client_data=lambda raw: b"\xef\xbb\xbf" + raw)
    twice = Quirks(change_client_data=lambda raw: b"\xef\xbb\xbf" * 2 + raw)
    assert both_verdicts(marked) == ("accepted", "accepted")
    assert both_verdicts(twice) == ("malformed", "malformed")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_client_data_in_another_encoding_is_refused(encoding: str) -> None:
    """WA-02: the library reads them."""
    quirks = Quirks(change_client_data=lambda raw: raw.decode().encode(encoding))
    assert both_verdicts(quirks) == ("malformed", "malformed")


@pytest.mark.parametrize(
    "extra", ['"type":"webauthn.get"', '"\\u006frigin":"https://evil.example"', '"a":{"b":1,"b":1}', '"a":1,"a":1']
)
def test_a_key_that_comes_twice_is_refused(extra: str) -> None:
    """WA-18: one reader takes the first, another the last."""
    quirks = Quirks(change_client_data=lambda raw: raw[:-1] + b"," + extra.encode() + b"}")
    assert both_verdicts(quirks) == ("malformed", "malformed")


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"{", b"null", b"[]", b'"x"', b"7", b"\xff", b"{}x", b"[" * 4000, b'{"a":' * 800, b"9" * 4096),
        b'{"a":"\xed\xa0\x80"}',
    ],
    ids=lambda raw: repr(raw[:10]),
)
def test_client_data_that_is_no_json_object_is_refused(raw: bytes) -> None:
    """WA-18."""
    assert both_verdicts(Quirks(change_client_data=lambda _: raw)) == ("malformed", "malformed")


def test_members_of_later_days_are_passed_over() -> None:
    """WebAuthn, section 5.8.1: client data may be extended."""
    more: dict[str, Any] = {"extraData": "é\u2028" * 50, "tokenBinding": {"status": "supported"}, "n": [1.5, None, {}]}
    assert both_verdicts(Quirks(client_data=more)) == ("accepted", "accepted")


def test_an_answer_to_a_registration_is_none_to_a_sign_in_whatever_it_calls_itself() -> None:
    """WA-02: the whole answer, not only its client data."""
    on = device()
    made = on.create(creation(), Quirks(type=TYPE_OF_GET))
    stored = kept(registered(on))
    asserted = on.get(request())
    assert verdict(lambda: used(asserted, stored)) == "accepted"
    signature = asserted["response"]["signature"]
    assert verdict(lambda: used({**asserted, "response": made["response"]}, stored)) == "malformed"
    assert (
        verdict(lambda: used({**asserted, "response": {**made["response"], "signature": signature}}, stored))
        != "accepted"
    )
