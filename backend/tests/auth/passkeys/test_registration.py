import hashlib
from dataclasses import replace
from typing import Any
from uuid import UUID

import cbor2
import pytest

from app.auth.passkeys.verification import verify_registration
from tests.auth.passkeys.scene import CHALLENGE, PARTY, creation, device, registered, registration_verdict, verdict
from tests.authenticator import AAGUID, ES256, Quirks, cose_members, decode, encode, new_key


def verdict_on(answer: dict[str, Any]) -> str:
    return verdict(lambda: verify_registration(PARTY, challenge=CHALLENGE, credential=answer))


def test_a_registration_tells_all_that_a_record_keeps() -> None:
    """WA-13: key, counter, transports, flags and the model by its own word."""
    on = device(is_synced=False, verifies_user=False, transports=["usb", "nfc"])
    passkey = registered(on, Quirks(counter=2**32 - 1))
    assert passkey.credential_id == on.held[0].id
    assert passkey.public_key == on.public_key()
    assert (passkey.sign_count, passkey.transports, passkey.aaguid) == (2**32 - 1, ("nfc", "usb"), UUID(bytes=AAGUID))
    assert (passkey.backup_eligible, passkey.backed_up, passkey.user_verified) == (False, False, False)
    synced = registered(device())
    assert (synced.backup_eligible, synced.backed_up, synced.user_verified) == (True, True, True)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        pytest.param(None, (), id="nothing"),
        pytest.param([], (), id="none"),
        pytest.param(["usb", "usb", "a-way-of-later-days"], ("a-way-of-later-days", "usb"), id="twice, unknown"),
        pytest.param(["USB", "us b", "", "x" * 21, 7, None, ["usb"], "<b>"], (), id="no names"),
        pytest.param([f"{letter}b" for letter in "abcdefghijkl"], tuple(f"{x}b" for x in "abcdefgh"), id="many"),
    ],
)
def test_ways_to_reach_a_device_are_kept_when_they_are_names(said: object, kept: tuple[str, ...]) -> None:
    answer = device().create(creation())
    answer["response"]["transports"] = said
    assert verify_registration(PARTY, challenge=CHALLENGE, credential=answer).transports == kept


@pytest.mark.parametrize("said", ["usb", 7, {"usb": True}, True])
def test_ways_that_are_no_list_are_refused(said: object) -> None:
    """WA-18."""
    answer = device().create(creation())
    answer["response"]["transports"] = said
    assert verdict_on(answer) == "malformed"


STATEMENTS: list[tuple[str, Any]] = [
    ("packed", {"alg": -7, "sig": b"forged"}),
    ("packed", {"alg": -7, "sig": b"forged", "x5c": [b"forged", b"chain"]}),
    ("fido-u2f", {"sig": b"forged", "x5c": []}),
    ("tpm", {"ver": "2.0", "alg": -65535, "sig": b"", "certInfo": b"\xff" * 100, "pubArea": b""}),
    ("android-safetynet", {"ver": "1", "response": b"a.b.c"}),
    ("compound", [{"fmt": "packed", "attStmt": {"alg": -7, "sig": b"", "x5c": [b""]}}]),
    ("a-format-of-later-days", {}),
]


@pytest.mark.parametrize(("form", "statement"), STATEMENTS, ids=range(len(STATEMENTS)))
def test_no_attestation_is_looked_at_so_a_forged_one_gains_nothing(form: str, statement: object) -> None:
    """WA-08: none is asked for. What comes is as good as none, and no word of it goes into the record."""
    on = device()
    passkey = registered(on, Quirks(attestation={"fmt": form, "attStmt": statement}))
    plain = device()
    plain.held = on.held
    assert passkey.public_key == on.public_key()
    assert replace(passkey, credential_id=b"", public_key=b"") == replace(
        registered(plain), credential_id=b"", public_key=b""
    )


@pytest.mark.parametrize("statement", [{"sig": b"x"}, {"alg": -7}, {"unknown": 1}, []])
def test_an_attestation_that_says_it_is_none_and_holds_something_is_refused(statement: object) -> None:
    """WA-08: WebAuthn, section 8.7."""
    assert registration_verdict(Quirks(attestation={"fmt": "none", "attStmt": statement})) == "attestation"


@pytest.mark.parametrize(
    "attestation",
    [{}, {"fmt": "none"}, {"attStmt": {}}, {"fmt": 1, "attStmt": {}}, {"fmt": "packed", "attStmt": b""}, {"fmt": None}],
    ids=range(6),
)
def test_an_attestation_object_without_its_members_is_refused(attestation: dict[str, object]) -> None:
    """WA-18."""
    assert registration_verdict(Quirks(attestation=attestation)) == "malformed"


@pytest.mark.parametrize(("length", "expected"), [(1, "accepted"), (1023, "accepted"), (1024, "credential_id")])
def test_an_id_has_at_most_1023_bytes(length: int, expected: str) -> None:
    """WA-09."""
    identifier = b"i" * length
    answer = device().create(creation(), Quirks(attested_id=identifier))
    assert verdict_on({**answer, "id": encode(identifier), "rawId": encode(identifier)}) == expected


def test_the_attested_id_has_at_most_1023_bytes_whatever_the_browser_says() -> None:
    """WA-09."""
    assert [registration_verdict(Quirks(attested_id=b"i" * length)) for length in (0, 1024, 20_000)] == [
        "credential_id"
    ] * 3


def test_the_attested_id_is_the_one_that_the_browser_says() -> None:
    """WA-09, WA-11: the library does not compare them."""
    assert registration_verdict(Quirks(attested_id=b"another passkey's id")) == "credential_id"


def test_both_ids_of_an_answer_are_one_text() -> None:
    """WA-11: id and rawId."""
    answer = device().create(creation())
    own, other = answer["id"], encode(b"another passkey's id")
    changed = [
        {"id": other},
        {"rawId": other},
        {"id": other, "rawId": other},
        {"id": own + "=", "rawId": own + "="},
        {"id": own + "\n"},
        {"id": None},
        {"rawId": None},
        {"id": 7, "rawId": 7},
        {"id": "", "rawId": ""},
    ]
    assert verdict_on(answer) == "accepted"
    assert [verdict_on({**answer, **each}) for each in changed] == ["credential_id"] * len(changed)


def test_what_the_browser_says_beside_the_signed_parts_is_not_believed() -> None:
    """WA-08: an answer's `publicKey`, `authenticatorData` and extension results are for who reads no CBOR."""
    on = device(algorithms=[ES256])
    answer = on.create(creation())
    answer["response"] |= {
        "publicKey": encode(cbor2.dumps(cose_members(new_key(ES256)))),
        "publicKeyAlgorithm": -257,
        "authenticatorData": encode(hashlib.sha256(b"thief").digest()),
    }
    answer |= {"clientExtensionResults": {"credProps": {"rk": "no"}}, "authenticatorAttachment": ["odd"]}
    passkey = verify_registration(PARTY, challenge=CHALLENGE, credential=answer)
    assert passkey.public_key == on.public_key()


@pytest.mark.parametrize("member", ["clientDataJSON", "attestationObject"])
def test_a_part_that_is_missing_or_no_base64url_is_refused(member: str) -> None:
    """WA-18."""
    answer = device().create(creation())
    own = answer["response"][member]
    odd: list[object] = [None, 7, "", own + "=", own + "\n", " " + own, "é" + own, own + "A", own + "\ud800", [own]]
    for value in odd:
        changed = {**answer, "response": {**answer["response"], member: value}}
        assert verdict_on(changed) == "malformed", value


@pytest.mark.parametrize(
    "changed", [{"type": "password"}, {"type": None}, {"response": None}, {"response": []}, {"response": "x"}]
)
def test_what_is_no_public_key_credential_is_refused(changed: dict[str, object]) -> None:
    """WA-18."""
    assert verdict_on({**device().create(creation()), **changed}) == "malformed"


def test_parts_have_an_end() -> None:
    """WA-18: nothing is read of a part that is larger than it can be."""
    answer = device().create(creation(), Quirks(client_data={"extra": "x" * 3800}))
    assert verdict_on(answer) == "accepted"
    assert registration_verdict(Quirks(client_data={"extra": "x" * 4096})) == "malformed"
    assert registration_verdict(Quirks(attestation={"fmt": "packed", "attStmt": {"sig": bytes(32_000)}})) == "accepted"
    assert registration_verdict(Quirks(attestation={"fmt": "packed", "attStmt": {"sig": bytes(32_768)}})) == "malformed"


def test_bytes_behind_the_attestation_object_are_refused() -> None:
    """WA-18."""
    answer = device().create(creation())
    longer = encode(decode(answer["response"]["attestationObject"]) + b"\x00")
    assert verdict_on({**answer, "response": {**answer["response"], "attestationObject": longer}}) == "malformed"
