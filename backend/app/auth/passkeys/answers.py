"""Takes the JSON of a browser's answer apart (WebAuthn, section 5.1.8), and looks at no part that is larger than it can be."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from app.auth import base64url
from app.auth.passkeys.authenticator_data import LONGEST_CREDENTIAL_ID
from app.auth.passkeys.values import PasskeyRejected, Reason

# In bytes. What browsers send has some 200 of client data, 40 of authenticator data, and a few thousand in an attestation
# object when a chain of certificates is in it.
LONGEST_CLIENT_DATA = 4096
LONGEST_ATTESTATION_OBJECT = 32_768
LONGEST_AUTHENTICATOR_DATA = 4096
LONGEST_SIGNATURE = 1024
LONGEST_USER_HANDLE = 64
"""WebAuthn, section 5.4.3."""
_MOST_TRANSPORTS = 8
_TRANSPORT = re.compile(r"[a-z][a-z-]{0,19}")


@dataclass(frozen=True, slots=True)
class RegistrationAnswer:
    """What came back from `navigator.credentials.create()`, in bytes, unexamined."""

    credential_id: bytes
    client_data: bytes
    attestation_object: bytes
    transports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AuthenticationAnswer:
    """What came back from `navigator.credentials.get()`, in bytes, unexamined."""

    credential_id: bytes
    client_data: bytes
    authenticator_data: bytes
    signature: bytes
    user_handle: bytes | None


def read_registration(credential: Mapping[str, object]) -> RegistrationAnswer:
    """Return the parts of an answer to `create()`. Raises `PasskeyRejected`."""
    response = _response_of(credential)
    return RegistrationAnswer(
        credential_id=credential_id_of(credential),
        client_data=_bytes_in(response, "clientDataJSON", LONGEST_CLIENT_DATA),
        attestation_object=_bytes_in(response, "attestationObject", LONGEST_ATTESTATION_OBJECT),
        transports=_transports_in(response),
    )


def read_authentication(credential: Mapping[str, object]) -> AuthenticationAnswer:
    """Return the parts of an answer to `get()`. Raises `PasskeyRejected`."""
    response = _response_of(credential)
    return AuthenticationAnswer(
        credential_id=credential_id_of(credential),
        client_data=_bytes_in(response, "clientDataJSON", LONGEST_CLIENT_DATA),
        authenticator_data=_bytes_in(response, "authenticatorData", LONGEST_AUTHENTICATOR_DATA),
        signature=_bytes_in(response, "signature", LONGEST_SIGNATURE),
        user_handle=user_handle_of(credential),
    )


def credential_id_of(credential: Mapping[str, object]) -> bytes:
    """Return which passkey an answer says that it is of, to look it up by. Raises `PasskeyRejected`."""
    raw_id = _bytes_in(credential, "rawId", LONGEST_CREDENTIAL_ID, Reason.CREDENTIAL_ID)
    if credential.get("id") != credential["rawId"] or not raw_id:
        raise PasskeyRejected(Reason.CREDENTIAL_ID)
    return raw_id


def user_handle_of(credential: Mapping[str, object]) -> bytes | None:
    """Return whose passkey an answer says that it is; None: it does not say. Raises `PasskeyRejected`."""
    response = _response_of(credential)
    if response.get("userHandle") is None:
        return None
    return _bytes_in(response, "userHandle", LONGEST_USER_HANDLE)


def says_discoverable(credential: Mapping[str, object]) -> bool:
    """Return whether a browser says that its new passkey can be found without an address (`credProps`, section 10.1.3).

    No signature covers it: good for a decision that protects whoever sends it, and for no other. False where nothing is said.
    """
    results = credential.get("clientExtensionResults")
    properties = results.get("credProps") if isinstance(results, Mapping) else None
    return isinstance(properties, Mapping) and properties.get("rk") is True


def _response_of(credential: Mapping[str, object]) -> Mapping[str, object]:
    response = credential.get("response")
    if not isinstance(response, Mapping) or credential.get("type") != "public-key":
        raise PasskeyRejected(Reason.MALFORMED)
    return response


def _bytes_in(members: Mapping[str, object], name: str, longest: int, reason: Reason = Reason.MALFORMED) -> bytes:
    text = members.get(name)
    if not isinstance(text, str) or len(text) > -(-longest * 4 // 3):
        raise PasskeyRejected(reason)
    try:
        return base64url.decode(text)
    except base64url.Base64urlInvalid as error:
        raise PasskeyRejected(reason) from error


def _transports_in(response: Mapping[str, object]) -> tuple[str, ...]:
    """Return what is said of ways to reach the device, without what is no name. Names of later days are kept."""
    said = response.get("transports")
    if said is None:
        return ()
    if not isinstance(said, list):
        raise PasskeyRejected(Reason.MALFORMED)
    names = {each for each in said[:_MOST_TRANSPORTS] if isinstance(each, str) and _TRANSPORT.fullmatch(each)}
    return tuple(sorted(names))
