"""The one module that imports the library `webauthn`. It verifies signatures, and goes over all else a second time.

It sees only what our own checks have let pass. It does not see what they look for beyond its own: embedded pages, keys
twice in JSON, other encodings than UTF-8, an id that is not the attested one, a changed backup flag, a curve that is not
the algorithm's, and sizes.
"""

from cryptography.exceptions import InvalidSignature
from webauthn import verify_authentication_response, verify_registration_response
from webauthn.helpers import (
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    encode_cbor,
)
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorAssertionResponse,
    AuthenticatorAttestationResponse,
    RegistrationCredential,
)

from app.auth import base64url
from app.auth.passkeys.answers import AuthenticationAnswer, RegistrationAnswer
from app.auth.passkeys.public_keys import ALGORITHMS
from app.auth.passkeys.values import PasskeyRejected, Reason, RelyingParty, StoredPasskey

_ALGORITHMS = [COSEAlgorithmIdentifier(number) for number in ALGORITHMS]


def examine_registration(
    party: RelyingParty, challenge: bytes, answer: RegistrationAnswer, authenticator_data: bytes
) -> None:
    """Raise `PasskeyRejected` unless the library takes the answer, without its attestation, and the key can be used."""
    response = AuthenticatorAttestationResponse(
        client_data_json=answer.client_data,
        attestation_object=encode_cbor({"fmt": "none", "attStmt": {}, "authData": authenticator_data}),
    )
    identifier = base64url.encode(answer.credential_id)
    try:
        verified = verify_registration_response(
            credential=RegistrationCredential(id=identifier, raw_id=answer.credential_id, response=response),
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=list(party.origins),
            supported_pub_key_algs=_ALGORITHMS,
        )
        key = decode_credential_public_key(verified.credential_public_key)
    except WebAuthnException as error:
        raise PasskeyRejected(Reason.MALFORMED) from error
    try:
        decoded_public_key_to_cryptography(key)
    except ValueError as error:  # Such as a point that is not on the curve.
        raise PasskeyRejected(Reason.PUBLIC_KEY) from error


def examine_authentication(
    party: RelyingParty,
    challenge: bytes,
    answer: AuthenticationAnswer,
    stored: StoredPasskey,
    *,
    user_verification_required: bool,
) -> None:
    """Raise `PasskeyRejected` unless the stored key has signed the answer and the library takes all of it."""
    response = AuthenticatorAssertionResponse(
        client_data_json=answer.client_data,
        authenticator_data=answer.authenticator_data,
        signature=answer.signature,
    )
    identifier = base64url.encode(answer.credential_id)
    try:
        verify_authentication_response(
            credential=AuthenticationCredential(id=identifier, raw_id=answer.credential_id, response=response),
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=list(party.origins),
            credential_public_key=stored.public_key,
            # With 0 it takes any counter. Whether one is suspicious is not for it to decide.
            credential_current_sign_count=0,
            require_user_verification=user_verification_required,
        )
    except WebAuthnException as error:
        # It raises one class for everything, within the handler of the exception that it found.
        is_signature = isinstance(error.__context__, InvalidSignature)
        raise PasskeyRejected(Reason.SIGNATURE if is_signature else Reason.MALFORMED) from error
