"""Whatever bytes come: a refusal, and nothing worse."""

import subprocess
import sys
from copy import deepcopy
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.auth.passkeys.values import PasskeyRejected
from app.auth.passkeys.verification import verify_registration
from tests.architecture.sources import BACKEND
from tests.auth.passkeys.scene import CHALLENGE, PARTY, creation, device, kept, registered, request, used, verdict
from tests.authenticator import ES256, Quirks, decode, encode

ON = device(algorithms=[ES256])
STATEMENT = {"fmt": "packed", "attStmt": {"alg": -7, "sig": b"s" * 70, "x5c": [b"c" * 300]}}
MADE = ON.create(creation(), Quirks(attestation=STATEMENT, extensions={"credProtect": 2}))
STORED = kept(verify_registration(PARTY, challenge=CHALLENGE, credential=MADE))
ASSERTED = ON.get(request(), Quirks(extensions={"uvm": [[2, 4, 2]]}))

MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(["flip", "insert", "delete", "cut", "repeat", "length"]),
        st.integers(0, 100_000),
        st.integers(0, 255),
    ),
    min_size=1,
    max_size=4,
)
LENGTHS = [b"\x5b" + b"\xff" * 8, b"\x9a\xff\xff\xff\xff", b"\xbb" + b"\x7f" * 8, b"\x7a\x7f\xff\xff\xff", b"\xc2\x5a"]
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=40) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)


def mutated(raw: bytes, mutations: list[tuple[str, int, int]]) -> bytes:
    for kind, place, byte in mutations:
        at = place % (len(raw) + 1)
        raw = {
            "flip": raw[:at] + bytes(each ^ (byte or 1) for each in raw[at : at + 1]) + raw[at + 1 :],
            "insert": raw[:at] + bytes([byte]) + raw[at:],
            "delete": raw[:at] + raw[at + 1 :],
            "cut": raw[:at],
            "repeat": raw + raw[at:],
            "length": raw[:at] + LENGTHS[byte % len(LENGTHS)] + raw[at + 1 :],
        }[kind]
    return raw


def with_part(credential: dict[str, Any], member: str, raw: bytes) -> dict[str, Any]:
    return {**credential, "response": {**credential["response"], member: encode(raw)}}


def registration_verdict(credential: dict[str, Any]) -> str:
    return verdict(lambda: verify_registration(PARTY, challenge=CHALLENGE, credential=credential))


def use_verdict(credential: dict[str, Any]) -> str:
    return verdict(lambda: used(credential, STORED))


def test_both_answers_are_good_before_anything_is_changed() -> None:
    assert (registration_verdict(MADE), use_verdict(ASSERTED)) == ("accepted", "accepted")


@pytest.mark.parametrize("member", ["attestationObject", "clientDataJSON"])
@settings(deadline=None, max_examples=300)
@given(mutations=MUTATIONS)
def test_a_mutated_registration_is_taken_or_refused_and_nothing_worse(
    member: str, mutations: list[tuple[str, int, int]]
) -> None:
    """WA-18: nobody signs a registration, so some mutations make another good one."""
    raw = decode(MADE["response"][member])
    assert registration_verdict(with_part(MADE, member, mutated(raw, mutations)))


@settings(deadline=None, max_examples=300)
@given(mutations=MUTATIONS)
def test_mutated_authenticator_data_of_a_registration_is_taken_or_refused_and_nothing_worse(
    mutations: list[tuple[str, int, int]],
) -> None:
    """WA-18: the attestation object around it is whole."""
    attestation = cbor2.loads(decode(MADE["response"]["attestationObject"]))
    attestation["authData"] = mutated(attestation["authData"], mutations)
    assert registration_verdict(with_part(MADE, "attestationObject", cbor2.dumps(attestation)))


@pytest.mark.parametrize("member", ["authenticatorData", "clientDataJSON", "signature"])
@settings(deadline=None, max_examples=200)
@given(mutations=MUTATIONS)
def test_a_mutated_use_is_refused(member: str, mutations: list[tuple[str, int, int]]) -> None:
    """WA-11, WA-18: one content has one signature that chance could find."""
    raw = decode(ASSERTED["response"][member])
    changed = mutated(raw, mutations)
    assert (use_verdict(with_part(ASSERTED, member, changed)) == "accepted") is (changed == raw)


PLACES = [
    (),
    ("id",),
    ("rawId",),
    ("type",),
    ("response",),
    *(("response", member) for member in ("clientDataJSON", "attestationObject", "authenticatorData", "signature")),
    *(("response", member) for member in ("userHandle", "transports")),
]


@settings(deadline=None, max_examples=300)
@given(place=st.sampled_from(PLACES), junk=JUNK)
def test_any_json_in_any_place_is_taken_or_refused_and_nothing_worse(place: tuple[str, ...], junk: Any) -> None:
    """WA-18: members of any kind."""
    for answer, judge in ((MADE, registration_verdict), (ASSERTED, use_verdict)):
        changed = deepcopy(answer)
        if place:
            inner = changed["response"] if len(place) == 2 else changed
            inner[place[-1]] = junk
        else:
            changed = junk if isinstance(junk, dict) else {}
        assert judge(changed)


@settings(deadline=None, max_examples=200)
@given(raw=st.binary(max_size=400))
def test_any_bytes_as_authenticator_data_are_refused(raw: bytes) -> None:
    """WA-18."""
    assert use_verdict(with_part(ASSERTED, "authenticatorData", raw)) != "accepted"
    wrapped = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": raw})
    assert registration_verdict(with_part(MADE, "attestationObject", wrapped)) != "accepted"


@pytest.mark.parametrize("claimed", LENGTHS, ids=range(len(LENGTHS)))
def test_a_length_that_is_only_claimed_is_refused(claimed: bytes) -> None:
    """WA-18: in each place where CBOR stands; or this test would not end, or end the process."""
    data = cbor2.loads(decode(MADE["response"]["attestationObject"]))["authData"]
    objects = [claimed, b"\xa1" + claimed, b"\xa1\x63fmt" + claimed, b"\xa3\x63fmt\x64none\x67attStmt" + claimed]
    attested = (data[:87] + claimed, data + claimed, data[:-10] + claimed)
    objects += [cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": raw}) for raw in attested]
    verdicts = {registration_verdict(with_part(MADE, "attestationObject", each)) for each in objects}
    assert verdicts <= {"malformed", "credential_id"}


def test_a_large_answer_is_refused_before_it_is_decoded() -> None:
    """WA-18: 50 MB in each part; the refusal takes no second copy of it."""
    source = (
        "import resource\n"
        "from tests.auth.passkeys.test_malformed import ASSERTED, MADE, registration_verdict, use_verdict\n"
        "large = 'A' * 50_000_000\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for member in ('clientDataJSON', 'attestationObject', 'authenticatorData', 'signature', 'userHandle'):\n"
        "    for answer in (MADE, ASSERTED):\n"
        "        changed = {**answer, 'response': {**answer['response'], member: large}}\n"
        "        registration_verdict(changed), use_verdict(changed)\n"
        "for answer in (MADE, ASSERTED):\n"
        "    assert use_verdict({**answer, 'id': large, 'rawId': large}) == 'credential_id'\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    result = subprocess.run([sys.executable, "-c", source], cwd=BACKEND, capture_output=True, text=True, check=True)
    assert int(result.stdout) < 10_000


def test_the_library_is_imported_when_it_is_needed_and_not_before() -> None:
    """A command that sees no passkey does not wait for it; a server imports it before it serves."""
    source = (
        "import sys\n"
        "from app.auth.passkeys import ceremonies, options, verification\n"
        "assert 'webauthn' not in sys.modules\n"
        "verification.prepare()\n"
        "assert 'webauthn' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", source], cwd=BACKEND, capture_output=True, check=True)


def test_a_refusal_holds_no_word_of_what_was_sent() -> None:
    """S74: it goes to logs."""
    on = device()
    passkey = kept(registered(on))
    answer = on.get(request(), Quirks(origin="https://evil.example"))
    with pytest.raises(PasskeyRejected, match=r"^origin$"):
        used(answer, passkey)
