from functools import partial

import pytest

from app.auth.passkeys.authenticator_data import read_authenticator_data
from app.auth.passkeys.values import RelyingParty
from app.auth.passkeys.verification import verify_registration
from tests.auth.passkeys.scene import (
    CHALLENGE,
    PARTY,
    both_verdicts,
    creation,
    device,
    kept,
    registered,
    registration_verdict,
    request,
    use_verdict,
    used,
    verdict,
)
from tests.authenticator import AT, BE, BS, ED, UP, UV, Quirks

BACKUP_CELLS = [(0, 0), (BE, 0), (0, BS), (BE, BS)]


@pytest.mark.parametrize("party", ["accounts.example.com", "com", "EXAMPLE.COM", "example.com.", "example.org", "xn--"])
def test_an_answer_made_for_another_relying_party_is_refused(party: str) -> None:
    """WA-04."""
    assert both_verdicts(Quirks(rp_id=party)) == ("rp_id", "rp_id")


def test_a_registration_for_one_relying_party_is_none_for_another_on_the_same_origin() -> None:
    """WA-04: what was made for the domain above does not serve the one below."""
    below = RelyingParty("accounts.example.com", PARTY.name, PARTY.origins)
    answer = device().create(creation())
    assert verdict(lambda: verify_registration(below, challenge=CHALLENGE, credential=answer)) == "rp_id"


@pytest.mark.parametrize("cleared", [UP, UP | UV])
def test_an_answer_that_nobody_consented_to_is_refused(cleared: int) -> None:
    """WA-05: user verification does not stand in for presence."""
    assert both_verdicts(Quirks(clear_flags=cleared)) == ("user_presence", "user_presence")


def test_the_server_decides_whether_the_user_must_be_verified() -> None:
    """WA-05: the flag is told, and demanded where it is due, whatever the browser was asked."""
    on = device(verifies_user=False)
    passkey = registered(on)
    assert passkey.user_verified is False
    unverified = on.get(request())
    assert used(unverified, kept(passkey)).user_verified is False
    assert verdict(lambda: used(unverified, kept(passkey), is_verified=True)) == "user_verification"


@pytest.mark.parametrize(("is_required", "flag"), [(False, 0), (False, UV), (True, 0), (True, UV)])
def test_user_verification_is_refused_only_where_it_is_required_and_missing(*, is_required: bool, flag: int) -> None:
    """WA-05: four cells."""
    expected = "user_verification" if is_required and not flag else "accepted"
    assert use_verdict(Quirks(clear_flags=UV - flag), is_verified=is_required) == expected


@pytest.mark.parametrize(("eligible", "backed_up"), BACKUP_CELLS)
def test_a_passkey_is_not_backed_up_that_cannot_be(eligible: int, backed_up: int) -> None:
    """WA-06: four cells at a registration."""
    on = device(is_synced=False)
    quirks = Quirks(set_flags=eligible | backed_up)
    if backed_up and not eligible:
        assert registration_verdict(quirks, is_synced=False) == "backup_flags"
    else:
        passkey = registered(on, quirks)
        assert (passkey.backup_eligible, passkey.backed_up) == (bool(eligible), bool(backed_up))


@pytest.mark.parametrize("was_eligible", [False, True])
@pytest.mark.parametrize(("eligible", "backed_up"), BACKUP_CELLS)
def test_a_passkey_stays_as_eligible_for_backup_as_it_was(*, was_eligible: bool, eligible: int, backed_up: int) -> None:
    """WA-06: four cells at a use, for each of the two that may be stored; whether it is backed up may change."""
    on = device(is_synced=was_eligible)
    stored = kept(registered(on))
    answer = on.get(request(), Quirks(clear_flags=(BE | BS) & ~(eligible | backed_up), set_flags=eligible | backed_up))
    if bool(eligible) is not was_eligible or (backed_up and not eligible):
        assert verdict(lambda: used(answer, stored)) == "backup_flags"
    else:
        assert used(answer, stored).backed_up is bool(backed_up)


def test_reserved_bits_mean_nothing() -> None:
    """WebAuthn, section 6.1: they are for later days."""
    assert both_verdicts(Quirks(set_flags=0x22)) == ("accepted", "accepted")


def test_data_that_is_promised_and_missing_is_refused() -> None:
    """WA-18."""
    assert registration_verdict(Quirks(set_flags=ED)) == "malformed"
    assert use_verdict(Quirks(set_flags=ED)) == "malformed"
    assert use_verdict(Quirks(set_flags=AT)) == "malformed"


def test_data_that_no_flag_promises_is_refused() -> None:
    """WA-18: trailing bytes, such as extensions without their flag, or a key without its."""
    assert both_verdicts(Quirks(trailing=b"\x00")) == ("malformed", "malformed")
    assert both_verdicts(Quirks(extensions={}, clear_flags=ED)) == ("malformed", "malformed")
    assert both_verdicts(Quirks(extensions={"credProtect": 2}, trailing=b"\xa0")) == ("malformed", "malformed")
    assert registration_verdict(Quirks(clear_flags=AT)) == "malformed"


def test_a_registration_brings_a_passkey() -> None:
    """WA-18."""
    assert registration_verdict(Quirks(is_attested=False)) == "malformed"


def test_a_use_brings_no_new_key() -> None:
    """WA-11: the stored key is the one that counts (WebAuthn, section 6.1)."""
    thief = device()
    registered(thief)
    attested = thief._attested(thief.held[0], Quirks())
    assert use_verdict(Quirks(set_flags=AT, trailing=attested)) == "malformed"


@pytest.mark.parametrize("extensions", [{}, {"credProtect": 2}, {"hmac-secret": True, "uvm": [[2, 4, 2]]}])
def test_answers_to_extensions_are_passed_over(extensions: object) -> None:
    """WebAuthn, section 7.1, step 27: unasked ones may come."""
    assert both_verdicts(Quirks(extensions=extensions)) == ("accepted", "accepted")


@pytest.mark.parametrize("extensions", [[], 1, "text", None, {"a": 1.5}, {b"bytes": 1}])
def test_extensions_that_no_authenticator_writes_are_refused(extensions: object) -> None:
    """WA-18."""
    expected = ("accepted", "accepted") if extensions is None else ("malformed", "malformed")
    assert both_verdicts(Quirks(extensions=extensions)) == expected


def test_authenticator_data_ends_where_it_says_and_holds_no_longer_id() -> None:
    """WA-09, WA-18: seen here by itself, without what the library or the browser's id would show."""
    fixed = bytes(32) + bytes([UP]) + bytes(4)
    attested = bytes(32) + bytes([UP | AT]) + bytes(4) + bytes(16)
    key = b"\xa0"
    assert verdict(lambda: read_authenticator_data(fixed)) == "accepted"
    assert verdict(lambda: read_authenticator_data(fixed + b"\x00")) == "malformed"
    for length, expected in ((0, "credential_id"), (1, "accepted"), (1023, "accepted"), (1024, "credential_id")):
        raw = attested + length.to_bytes(2, "big") + bytes(length) + key
        assert verdict(partial(read_authenticator_data, raw)) == expected
