from dataclasses import replace
from functools import partial
from operator import itemgetter
from typing import Any

import pytest

from app.auth.passkeys.answers import credential_id_of, user_handle_of
from tests.auth.passkeys.scene import USER, creation, device, kept, registered, request, use_verdict, used, verdict
from tests.authenticator import EDDSA, ES256, GOOD, RS256, Authenticator, Quirks, decode, encode

ALGORITHMS = pytest.mark.parametrize("algorithm", [EDDSA, ES256, RS256])


def scene(quirks: Quirks = GOOD, **abilities: Any) -> tuple[Authenticator, Any, dict[str, Any]]:
    """Return a device, what was stored of its passkey, and an answer."""
    on = device(**abilities)
    stored = kept(registered(on))
    return on, stored, on.get(request(), quirks)


@ALGORITHMS
def test_a_broken_signature_is_refused(algorithm: int) -> None:
    """WA-11, 3.5-08: the result of the check is what decides."""
    assert use_verdict(GOOD, algorithms=[algorithm]) == "accepted"
    assert use_verdict(Quirks(break_signature=True), algorithms=[algorithm]) == "signature"


@ALGORITHMS
def test_a_signature_of_any_other_content_or_key_is_refused(algorithm: int) -> None:
    """WA-11: empty, cut, longer, of another answer, of another key."""
    on, stored, answer = scene(algorithms=[algorithm])
    own = decode(answer["response"]["signature"])
    other = decode(on.get(request(), Quirks(counter=7))["response"]["signature"])
    thief = scene(algorithms=[EDDSA if algorithm == RS256 else algorithm])[2]["response"]["signature"]
    for signature in (b"", own[:-1], own + b"\x00", b"\x00" * len(own), b"\xff" * 1024, other, decode(thief)):
        changed = {**answer, "response": {**answer["response"], "signature": encode(signature)}}
        assert verdict(partial(used, changed, stored)) == "signature"


def test_a_bit_that_changes_anywhere_in_what_is_signed_is_seen() -> None:
    """WA-11."""
    _, stored, answer = scene(algorithms=[EDDSA])
    for member in ("authenticatorData", "clientDataJSON"):
        own = decode(answer["response"][member])
        for at in range(len(own)):
            changed = own[:at] + bytes([own[at] ^ 1]) + own[at + 1 :]
            response = {**answer["response"], member: encode(changed)}
            assert verdict(partial(used, {**answer, "response": response}, stored)) != "accepted"


def test_an_answer_of_another_passkey_is_refused() -> None:
    """WA-10, WA-11: the id says whose key is looked at; one that says another's gets that other key."""
    _, stored, answer = scene()
    _, others, of_another = scene()
    assert verdict(lambda: used(of_another, stored)) == "credential_id"
    renamed = {**of_another, "id": answer["id"], "rawId": answer["rawId"]}
    assert verdict(lambda: used(renamed, stored)) == "signature"
    assert verdict(lambda: used({**answer, "id": of_another["id"]}, stored)) == "credential_id"
    assert verdict(lambda: used({**answer, "rawId": of_another["id"]}, stored)) == "credential_id"
    assert verdict(lambda: used(of_another, others)) == "accepted"


@pytest.mark.parametrize(
    ("handle", "is_named", "expected"),
    [
        (USER, False, "accepted"),
        (USER, True, "accepted"),
        (None, False, "accepted"),
        (None, True, "user_handle"),
        (b"somebody else's", False, "user_handle"),
        (b"somebody else's", True, "user_handle"),
        (USER + b"\x00", True, "user_handle"),
    ],
    ids=range(7),
)
def test_an_answer_names_its_owner_or_nobody(handle: bytes | None, *, is_named: bool, expected: str) -> None:
    """WA-10: where nobody knew the account beforehand, it must be named; and it is never another's."""
    _, stored, answer = scene(Quirks(user_handle=handle, without_user_handle=handle is None))
    assert verdict(lambda: used(answer, stored, is_named=is_named)) == expected


@pytest.mark.parametrize("handle", ["", "=", 7, [], encode(bytes(65)), True])
def test_an_owner_that_cannot_be_is_refused(handle: object) -> None:
    """WA-10, WA-18."""
    _, stored, answer = scene()
    changed = {**answer, "response": {**answer["response"], "userHandle": handle}}
    expected = "user_handle" if handle == "" else "malformed"
    assert verdict(lambda: used(changed, stored)) == expected


def test_an_answer_says_which_passkey_it_is_of_and_whose() -> None:
    _, stored, answer = scene()
    assert (credential_id_of(answer), user_handle_of(answer)) == (stored.credential_id, USER)
    nameless = {**answer, "response": {**answer["response"], "userHandle": None}}
    assert user_handle_of(nameless) is None
    assert verdict(lambda: credential_id_of({})) == "credential_id"
    assert verdict(lambda: user_handle_of({})) == "malformed"


@pytest.mark.parametrize(
    ("stored_count", "count", "is_suspicious"),
    [
        (0, 0, False),
        (0, 1, False),
        (5, 6, False),
        (5, 2**32 - 1, False),
        (5, 5, True),
        (5, 4, True),
        (5, 0, True),
        (1, 0, True),
        (2**32 - 1, 0, True),
    ],
)
def test_a_counter_that_did_not_grow_is_told_and_refuses_nothing(
    stored_count: int, count: int, *, is_suspicious: bool
) -> None:
    """WA-12: the service decides."""
    _, stored, answer = scene(Quirks(counter=count))
    result = used(answer, replace(stored, sign_count=stored_count))
    assert (result.sign_count, result.counter_suspicious) == (count, is_suspicious)


def test_a_copy_of_a_device_shows_by_its_counter() -> None:
    """WA-12: clone simulation."""
    on, stored, first = scene(counts=True, is_synced=False)
    copied = on.held[0].counter
    stored = replace(stored, sign_count=used(first, stored).sign_count)
    second = used(on.get(request()), stored)
    assert not second.counter_suspicious
    stored = replace(stored, sign_count=second.sign_count)
    on.held[0].counter = copied
    assert used(on.get(request()), stored).counter_suspicious


def test_a_wrong_answer_tells_nothing_of_its_counter() -> None:
    """WA-11, WA-12: no counter is believed that nobody signed."""
    assert use_verdict(Quirks(counter=9, break_signature=True)) == "signature"


@pytest.mark.parametrize("member", ["clientDataJSON", "authenticatorData", "signature"])
def test_a_part_that_is_missing_or_no_base64url_is_refused(member: str) -> None:
    """WA-18."""
    _, stored, answer = scene()
    own = answer["response"][member]
    odd: list[object] = [None, 7, own + "=", own + "\n", "é" + own, own + "\ud800", [own], "A" * 100_000]
    for value in odd:
        changed = {**answer, "response": {**answer["response"], member: value}}
        assert verdict(partial(used, changed, stored)) == "malformed", value


def test_short_authenticator_data_is_refused() -> None:
    """WA-18."""
    on, stored, _ = scene()
    for length in range(37):
        answer = on.get(request(), Quirks(change_authenticator_data=itemgetter(slice(length))))
        assert verdict(partial(used, answer, stored)) == "malformed"


def test_an_answer_that_was_never_asked_for_is_no_answer() -> None:
    """WA-01: the challenge of another ceremony."""
    on, stored, _ = scene()
    elsewhere = on.get({**request(), "challenge": encode(b"another" * 4)})
    assert verdict(lambda: used(elsewhere, stored)) == "challenge"


def test_a_passkey_of_a_second_registration_replaces_the_first_on_its_device() -> None:
    """WA-10: the answer of the new one is none of the old one."""
    on, stored, _ = scene()
    on.create(creation())
    assert verdict(lambda: used(on.get(request()), stored)) == "credential_id"
