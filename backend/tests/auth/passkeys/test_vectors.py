"""The published test vectors of WebAuthn Level 3, each accepted or refused as our rules say."""

import json
from pathlib import Path
from typing import Any

import cbor2
import pytest

from app.auth.passkeys.authenticator_data import Flag, read_authenticator_data
from app.auth.passkeys.values import NewPasskey, RelyingParty, StoredPasskey, Used
from app.auth.passkeys.verification import verify_authentication, verify_registration
from tests.auth.passkeys.scene import device, kept, registered, request, used, verdict
from tests.authenticator import Quirks, encode

DOCUMENT = json.loads((Path(__file__).parent / "data" / "webauthn_l3_vectors.json").read_text(encoding="utf-8"))
VECTORS = {each["name"]: each for each in DOCUMENT["ceremonies"]}
PRF = DOCUMENT["prf"]["cases"]
PARTY = RelyingParty(DOCUMENT["relying_party"]["id"], "Example", (DOCUMENT["relying_party"]["origin"],))
USER = b"somebody"
EVERY_VECTOR = pytest.mark.parametrize("name", sorted(VECTORS))


def of(name: str, ceremony: str) -> dict[str, bytes]:
    return {member: bytes.fromhex(text) for member, text in VECTORS[name][ceremony].items()}


def answer(name: str, ceremony: str) -> dict[str, Any]:
    """Return a vector as a browser would send it."""
    identifier = encode(of(name, "registration")["credential_id"])
    members = {"clientDataJSON", "attestationObject", "authenticatorData", "signature"}
    parts = {member: encode(raw) for member, raw in of(name, ceremony).items() if member in members}
    return {"id": identifier, "rawId": identifier, "type": "public-key", "response": parts}


def register(name: str) -> NewPasskey:
    challenge = of(name, "registration")["challenge"]
    return verify_registration(PARTY, challenge=challenge, credential=answer(name, "registration"))


def stored(name: str) -> StoredPasskey:
    """Return what a record would hold of a vector, whether or not we would have made one."""
    raw = cbor2.loads(of(name, "registration")["attestationObject"])["authData"]
    data = read_authenticator_data(raw)
    assert data.attested
    eligible = data.has(Flag.BACKUP_ELIGIBLE)
    return StoredPasskey(data.attested.credential_id, data.attested.public_key, data.sign_count, eligible, USER)


def use(name: str, passkey: StoredPasskey) -> Used:
    return verify_authentication(
        PARTY,
        challenge=of(name, "authentication")["challenge"],
        credential=answer(name, "authentication"),
        stored=passkey,
        user_verification_required=False,
        user_handle_required=False,
    )


def test_all_vectors_are_here_and_say_why() -> None:
    """15 pairs of ceremonies and 3 cases of the extension prf."""
    assert (len(VECTORS), len(PRF)) == (15, 3)
    assert [name for name, vector in VECTORS.items() if not vector["because"]] == []
    assert sorted(name for name, vector in VECTORS.items() if vector["expected"] != "accepted") == [
        "none-es256-crossOrigin",
        "none-es256-topOrigin",
        "packed-ed448",
        "packed-es384",
        "packed-es512",
    ]


@EVERY_VECTOR
def test_a_vector_s_registration_is_taken_or_refused_as_it_should_be(name: str) -> None:
    """WA-02 to WA-09."""
    assert verdict(lambda: register(name)) == VECTORS[name]["expected"]


@EVERY_VECTOR
def test_a_vector_s_use_is_taken_or_refused_as_it_should_be(name: str) -> None:
    """WA-02 to WA-12."""
    assert verdict(lambda: use(name, stored(name))) == VECTORS[name]["expected"]


@pytest.mark.parametrize("name", sorted(name for name, each in VECTORS.items() if each["expected"] == "accepted"))
def test_a_vector_tells_its_own_id_and_model_and_serves_nobody_else(name: str) -> None:
    """WA-10, WA-11: the passkey of a registration verifies its own use, and no other's."""
    passkey = register(name)
    assert passkey.credential_id == of(name, "registration")["credential_id"]
    assert passkey.aaguid.bytes == of(name, "registration")["aaguid"]
    assert stored(name).public_key == passkey.public_key
    own = stored(name)
    other = stored("packed-self-es256" if name != "packed-self-es256" else "none-es256")
    swapped = StoredPasskey(own.credential_id, other.public_key, 0, own.backup_eligible, USER)
    assert verdict(lambda: use(name, swapped)) == "signature"


@pytest.mark.parametrize("case", PRF, ids=[case["name"].replace(" ", "-") for case in PRF])
def test_answers_to_the_extension_prf_are_passed_over(case: dict[str, str]) -> None:
    """WebAuthn, section 10.1.4: unasked, the device's encrypted output or the browser's results change nothing."""
    results = {
        name.removeprefix("prf_results_"): text for name, text in case.items() if name.startswith("prf_results_")
    }
    on = device()
    passkey = kept(registered(on, Quirks(extensions={"hmac-secret": True})))
    plain = on.get(request())
    extended = on.get(request(), Quirks(extensions={"hmac-secret": bytes.fromhex(case["output_enc"])}))
    told = {**extended, "clientExtensionResults": {"prf": {"results": results}}}
    assert used(told, passkey) == used(plain, passkey)
