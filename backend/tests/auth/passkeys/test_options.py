import pytest

from app.auth.passkeys.options import registration_options
from app.auth.passkeys.values import Descriptor
from tests.auth.passkeys.scene import CHALLENGE, PARTY, USER, creation, device, kept, registered, request, used
from tests.authenticator import EDDSA, ES256, RS256, Authenticator, InvalidState, NotAllowed, encode

KNOWN = Descriptor(b"known", ("internal", "hybrid"))


def test_a_registration_asks_for_what_we_take_and_for_nothing_more() -> None:
    """WA-07, WA-08: the members of PublicKeyCredentialCreationOptionsJSON, the best algorithm first."""
    assert creation(KNOWN, Descriptor(b"other")) == {
        "rp": {"id": "example.com", "name": "Example"},
        "user": {"id": encode(USER), "name": "ada@example.com", "displayName": "Ada"},
        "challenge": encode(CHALLENGE),
        "pubKeyCredParams": [{"type": "public-key", "alg": algorithm} for algorithm in (-8, -7, -257)],
        "timeout": 300_000,
        "excludeCredentials": [
            {"type": "public-key", "id": encode(b"known"), "transports": ["internal", "hybrid"]},
            {"type": "public-key", "id": encode(b"other")},
        ],
        "authenticatorSelection": {
            "residentKey": "preferred",
            "requireResidentKey": False,
            "userVerification": "preferred",
        },
        "attestation": "none",
        "extensions": {"credProps": True},
    }


def test_a_use_asks_for_the_passkeys_of_one_account_or_for_any() -> None:
    """WA-15: without passkeys to allow, the question is the same for everybody."""
    anyone = {
        "challenge": encode(CHALLENGE),
        "timeout": 300_000,
        "rpId": "example.com",
        "allowCredentials": [],
        "userVerification": "preferred",
    }
    known = {"type": "public-key", "id": encode(b"known"), "transports": ["internal", "hybrid"]}
    assert request() == anyone
    assert request(KNOWN, verification="required") == {
        **anyone,
        "allowCredentials": [known],
        "userVerification": "required",
    }


@pytest.mark.parametrize("length", [0, 65])
def test_a_user_handle_has_1_to_64_bytes(length: int) -> None:
    """WA-17."""
    with pytest.raises(ValueError, match="1 to 64"):
        registration_options(
            PARTY, challenge=CHALLENGE, user_handle=bytes(length), user_name="a", display_name="a", exclude=[]
        )


@pytest.mark.parametrize("algorithm", [EDDSA, ES256, RS256])
def test_a_device_of_each_algorithm_registers_and_is_used(algorithm: int) -> None:
    """WA-07: or every refusal in these files would say nothing."""
    on = device(algorithms=[algorithm])
    stored = kept(registered(on))
    assert stored.public_key == on.public_key()
    result = used(on.get(request()), stored, is_verified=True, is_named=True)
    assert (result.user_verified, result.backed_up, result.counter_suspicious) == (True, True, False)


def test_a_device_that_knows_several_takes_the_first_that_was_asked_for() -> None:
    on = device()
    registered(on)
    assert on.held[0].algorithm == EDDSA


def test_a_device_that_holds_an_excluded_passkey_makes_no_second() -> None:
    on = device()
    known = Descriptor(registered(on).credential_id)
    with pytest.raises(InvalidState):
        on.create(creation(known))


def test_a_device_uses_only_what_is_allowed_and_fits_the_page() -> None:
    on = device()
    registered(on)
    elsewhere = Authenticator("https://example.com.evil.example")
    elsewhere.held = on.held
    for asked in (request(Descriptor(b"another")), {**request(), "rpId": "example.org"}):
        with pytest.raises(NotAllowed):
            on.get(asked)
    with pytest.raises(NotAllowed):
        elsewhere.get(request())


def test_a_passkey_that_cannot_be_found_is_used_when_it_is_allowed() -> None:
    on = device(keeps_discoverable=False)
    passkey = registered(on)
    with pytest.raises(NotAllowed):
        on.get(request())
    used(on.get(request(Descriptor(passkey.credential_id))), kept(passkey))
