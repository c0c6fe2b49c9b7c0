"""Whether a browser's answer is right: our own checks first, each with its reason, and then the library's."""

from collections.abc import Mapping
from typing import Protocol

from app.auth.passkeys.answers import AuthenticationAnswer, RegistrationAnswer, read_authentication, read_registration
from app.auth.passkeys.authenticator_data import (
    AuthenticatorData,
    Flag,
    check_authenticator_data,
    read_authenticator_data,
    unattested,
)
from app.auth.passkeys.client_data import ClientDataType, check_client_data
from app.auth.passkeys.public_keys import check_public_key
from app.auth.passkeys.values import NewPasskey, PasskeyRejected, Reason, RelyingParty, StoredPasskey, Used


class Examiner(Protocol):
    """What the module `examiner` offers."""

    def examine_registration(
        self, party: RelyingParty, challenge: bytes, answer: RegistrationAnswer, authenticator_data: bytes
    ) -> None:
        """See there."""

    def examine_authentication(
        self,
        party: RelyingParty,
        challenge: bytes,
        answer: AuthenticationAnswer,
        stored: StoredPasskey,
        *,
        user_verification_required: bool,
    ) -> None:
        """See there."""


def prepare() -> None:
    """Import what the first answer needs, which takes a quarter of a second. A server calls this before it serves."""
    _examiner()


def _examiner() -> Examiner:
    # The library brings parsers of certificates and TPM structures with it. Commands and jobs, which see no passkey,
    # start without them; so this is the only place that imports what imports it.
    from app.auth.passkeys import examiner  # noqa: PLC0415

    return examiner


def verify_registration(party: RelyingParty, *, challenge: bytes, credential: Mapping[str, object]) -> NewPasskey:
    """Return the passkey that a browser's answer to `registration_options` brings (WebAuthn, section 7.1).

    It remains to be seen whether its id is known already, of anybody. Its attestation is not trusted: see
    `unattested`. Raises `PasskeyRejected`, and nothing else, whatever was sent.
    """
    answer = read_registration(credential)
    check_client_data(answer.client_data, due=ClientDataType.CREATE, challenge=challenge, origins=party.origins)
    raw = unattested(answer.attestation_object)
    data = read_authenticator_data(raw)
    check_authenticator_data(data, rp_id=party.id, user_verification_required=False)
    if (attested := data.attested) is None:
        raise PasskeyRejected(Reason.MALFORMED)
    if attested.credential_id != answer.credential_id:
        raise PasskeyRejected(Reason.CREDENTIAL_ID)
    check_public_key(attested.public_key)
    _examiner().examine_registration(party, challenge, answer, raw)
    return NewPasskey(
        credential_id=attested.credential_id,
        public_key=attested.public_key,
        sign_count=data.sign_count,
        transports=answer.transports,
        backup_eligible=data.has(Flag.BACKUP_ELIGIBLE),
        backed_up=data.has(Flag.BACKED_UP),
        user_verified=data.has(Flag.USER_VERIFIED),
        aaguid=attested.aaguid,
    )


def verify_authentication(  # noqa: PLR0913  # Each is a check that a caller must not be able to leave out.
    party: RelyingParty,
    *,
    challenge: bytes,
    credential: Mapping[str, object],
    stored: StoredPasskey,
    user_verification_required: bool,
    user_handle_required: bool,
) -> Used:
    """Return what a browser's answer to `authentication_options` says of a stored passkey (WebAuthn, section 7.2).

    Where the account is known beforehand, `stored` must be one of its passkeys. Where it is not, the answer must name
    it: `user_handle_required`. A counter that did not grow refuses nothing here, but is told. Raises `PasskeyRejected`,
    and nothing else, whatever was sent.
    """
    answer = read_authentication(credential)
    _check_owner(answer, stored, user_handle_required=user_handle_required)
    check_client_data(answer.client_data, due=ClientDataType.GET, challenge=challenge, origins=party.origins)
    data = read_authenticator_data(answer.authenticator_data)
    check_authenticator_data(data, rp_id=party.id, user_verification_required=user_verification_required)
    _check_sameness(data, stored)
    check_public_key(stored.public_key)
    _examiner().examine_authentication(
        party, challenge, answer, stored, user_verification_required=user_verification_required
    )
    return Used(
        sign_count=data.sign_count,
        user_verified=data.has(Flag.USER_VERIFIED),
        backed_up=data.has(Flag.BACKED_UP),
        counter_suspicious=data.sign_count <= stored.sign_count and (data.sign_count, stored.sign_count) != (0, 0),
    )


def _check_owner(answer: AuthenticationAnswer, stored: StoredPasskey, *, user_handle_required: bool) -> None:
    if answer.credential_id != stored.credential_id:
        raise PasskeyRejected(Reason.CREDENTIAL_ID)
    if answer.user_handle is None and not user_handle_required:
        return
    if answer.user_handle != stored.user_handle:
        raise PasskeyRejected(Reason.USER_HANDLE)


def _check_sameness(data: AuthenticatorData, stored: StoredPasskey) -> None:
    """Raise for what no answer may say of a passkey after its registration."""
    if data.has(Flag.ATTESTED):  # It brings no new key (WebAuthn, section 6.1).
        raise PasskeyRejected(Reason.MALFORMED)
    if data.has(Flag.BACKUP_ELIGIBLE) is not stored.backup_eligible:
        raise PasskeyRejected(Reason.BACKUP_FLAGS)
