"""Second factors: what is shown to add one, what proves one, and what an account has."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field

from app.auth.names import plain_text
from app.auth.second_factors import Factor, Stage
from app.schemas.auth import AccessTokenResponse, CookieSessionResponse, ReauthenticateRequest, TokenResponse
from app.schemas.base import Password, RequestModel, ResponseModel
from app.services.passkeys.ceremonies import Begun
from app.services.passkeys.proof import Brought
from app.services.second_factors.proofs import CodeAnswer, PasskeyAnswer, PasswordAnswer
from app.services.second_factors.totp import TotpOffer

TotpCode = Annotated[str, Field(max_length=20, examples=["123456"], description="Six digits of the authenticator app.")]
PendingToken = Annotated[
    str | None,
    Field(
        max_length=100, description="`pending` of the answer that asked for more; left out by a browser that keeps it."
    ),
]
Credential = Annotated[
    dict[str, Any], Field(description="What the browser answered: `PublicKeyCredential.toJSON()` (WebAuthn Level 3).")
]
Ceremony = Annotated[str, Field(max_length=400, description="`ceremony` as it came with the options.")]
PasskeyName = Annotated[str, Field(min_length=1, max_length=100, examples=["My phone"]), AfterValidator(plain_text)]


class TotpProof(RequestModel):
    """A code of the authenticator app."""

    method: Literal["totp"]
    code: TotpCode

    def answer(self) -> CodeAnswer:
        """Return what the service takes."""
        return CodeAnswer(Factor.TOTP, self.code)


class RecoveryCodeProof(RequestModel):
    """A code of the list, however it is typed."""

    method: Literal["recovery_code"]
    code: str = Field(max_length=60, examples=["k7qm-2x9d-vhr4-8tpw"])

    def answer(self) -> CodeAnswer:
        """Return what the service takes."""
        return CodeAnswer(Factor.RECOVERY_CODE, self.code)


class PasskeyProof(RequestModel):
    """The answer of a passkey."""

    method: Literal["passkey"]
    ceremony: Ceremony
    credential: Credential

    def answer(self) -> PasskeyAnswer:
        """Return what the service takes."""
        return PasskeyAnswer(Brought(self.ceremony, self.credential))


class PasswordBeside(RequestModel):
    """The password, beside a passkey that did not verify its user."""

    method: Literal["password"]
    password: Password

    def answer(self) -> PasswordAnswer:
        """Return what the service takes."""
        return PasswordAnswer(self.password)


class _Finish(RequestModel):
    pending: PendingToken = None
    remember_device: bool = Field(
        False, description="Whether this browser is asked for no second factor for a while. It keeps a cookie for that."
    )


class FinishWithTotp(_Finish, TotpProof):
    """Go on with a code of the authenticator app."""


class FinishWithRecoveryCode(_Finish, RecoveryCodeProof):
    """Go on with a code of the list."""


class FinishWithPasskey(_Finish, PasskeyProof):
    """Go on with a passkey."""


class FinishWithPassword(_Finish, PasswordBeside):
    """Go on with the password."""


FinishRequest = Annotated[
    FinishWithTotp | FinishWithRecoveryCode | FinishWithPasskey | FinishWithPassword, Field(discriminator="method")
]


def _with_method(value: object) -> object:
    """Let a body that names no method bring the password."""
    return {"method": "password", **value} if isinstance(value, Mapping) else value


ProveAgainRequest = Annotated[
    ReauthenticateRequest | TotpProof | RecoveryCodeProof | PasskeyProof,
    Discriminator("method"),
    BeforeValidator(_with_method),
]


class PendingRequest(RequestModel):
    """Which sign-in goes on."""

    pending: PendingToken = None


class LackingResponse(ResponseModel):
    """What a sign-in still lacks, as `SECOND_FACTOR_REQUIRED` says it."""

    stage: Stage
    factors: list[Factor]


class EnrolRequest(PendingRequest):
    """A code of the app that was offered."""

    code: TotpCode


class ConfirmTotpRequest(RequestModel):
    """A code of the app that was offered."""

    code: TotpCode


class TotpOfferResponse(ResponseModel):
    """A secret for an authenticator app. Nothing shows it again."""

    secret: str = Field(
        description="To be typed: base32, in groups of four.", examples=["GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ"]
    )
    uri: str = Field(description="The same as a link that apps open (`otpauth://totp/…`).")
    qr_svg: str = Field(description="The same as a QR code.")
    expires_in: int = Field(description="Seconds within which a code confirms it.")

    @classmethod
    def of(cls, offered: TotpOffer) -> Self:
        """Show what the service offers."""
        seconds = int(offered.expires_in.total_seconds())
        return cls(secret=offered.secret, uri=offered.uri, qr_svg=offered.qr_svg, expires_in=seconds)


class CeremonyResponse(ResponseModel):
    """What the browser is asked (`PublicKeyCredential.parse…OptionsFromJSON(publicKey)`)."""

    publicKey: dict[str, Any]  # noqa: N815  # As browsers call it.
    ceremony: str = Field(description="Give it back with the answer, within five minutes.")

    @classmethod
    def of(cls, begun: Begun) -> Self:
        """Show what the service asks."""
        return cls(publicKey=dict(begun.options), ceremony=begun.ceremony)


Codes = Annotated[
    list[str] | None, Field(description="Ten, for one use each, shown this once; null: the account has some already.")
]


class EnrolledResponse(ResponseModel):
    """The session, and the recovery codes of an account that has its first second factor."""

    recovery_codes: Codes
    session: TokenResponse | CookieSessionResponse


class AppAddedResponse(ResponseModel):
    """A credential that says that a second factor has been proved just now, in place of the one before."""

    recovery_codes: Codes
    session: AccessTokenResponse | CookieSessionResponse


class RecoveryCodesResponse(ResponseModel):
    """A new set; the one before is worthless."""

    recovery_codes: list[str]


class PasskeyResponse(ResponseModel):
    """A passkey of an account."""

    id: UUID
    name: str
    aaguid: UUID = Field(description="The model of its device, by its own word; zero: it does not say.")
    is_backup_eligible: bool = Field(description="Whether its owner's devices may share it.")
    is_backed_up: bool
    created_at: datetime
    last_used_at: datetime | None


class PasskeyAddedResponse(AppAddedResponse):
    """The same with the new passkey."""

    passkey: PasskeyResponse


class AddPasskeyRequest(RequestModel):
    """What the browser has made, and what its owner calls it."""

    name: PasskeyName
    ceremony: Ceremony
    credential: Credential


class RenamePasskeyRequest(RequestModel):
    """Another name."""

    name: PasskeyName


class PasskeySignInRequest(RequestModel):
    """The answer of a passkey."""

    ceremony: Ceremony
    credential: Credential


class TotpResponse(ResponseModel):
    """The authenticator app of an account."""

    confirmed_at: datetime
    last_used_at: datetime | None


class RememberedDeviceResponse(ResponseModel):
    """A browser that is asked for no second factor."""

    id: UUID
    device: str = Field(examples=["Firefox on Linux"])
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime


class FactorsResponse(ResponseModel):
    """The second factors of an account."""

    required: bool = Field(description="Whether the account has to have one.")
    totp: TotpResponse | None
    passkeys: list[PasskeyResponse]
    recovery_codes_left: int
    remembered_devices: list[RememberedDeviceResponse]


class ResetFactorsRequest(RequestModel):
    """Why somebody's second factors are taken away: it stands in the audit log."""

    reason: Annotated[
        str,
        Field(min_length=3, max_length=200, examples=["Lost the phone; identity checked by video call"]),
        AfterValidator(plain_text),
    ]
