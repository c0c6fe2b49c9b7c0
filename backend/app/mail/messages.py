"""Every mail that this server sends, as a type: what it needs to know, and nothing that a template could forget."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from app.auth.emails import parse_email
from app.auth.second_factors import Factor
from app.mail.links import Link
from app.models import User


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom a mail goes to."""

    address: str
    """Where it goes: the stored address of an account, never what somebody has just typed to find one."""
    locale: str | None = None
    user_id: UUID | None = None
    name: str | None = None

    @classmethod
    def of(cls, user: User) -> "Recipient":
        """Return an account's user at the stored address; without the name while a stranger may have typed both."""
        name = user.full_name if user.email_verified_at is not None else None
        return cls(address=user.email, locale=user.locale, user_id=user.id, name=name)


@dataclass(frozen=True, slots=True)
class MaskedAddress:
    """An address as another mailbox may see it: `g***@e***.com`.

    Its domain is somebody's choice, and whole it would become a link in most mail programs.
    """

    value: str

    @classmethod
    def of(cls, address: str) -> "MaskedAddress":
        """Return it with the first character of its name and of its domain. Raises `EmailInvalid`."""
        local, _, domain = parse_email(address).normal.rpartition("@")
        return cls(f"{local[0]}***@{domain[0]}***.{domain.rpartition('.')[2]}")


@dataclass(frozen=True, kw_only=True)
class Message:
    """The parent of every mail. Texts of people are made harmless by the renderer, whatever their field."""

    kind: ClassVar[str]
    """What its templates are called."""
    is_notice: ClassVar[bool] = False
    """Whether it tells of something that has been done to an account. It is counted by its event, and no cap of another mail
    holds it back: else a thief would first fill that."""
    greets: ClassVar[bool] = False
    """Whether it calls its recipient by name. Not where a stranger may have typed both name and address."""
    to: Recipient


@dataclass(frozen=True, kw_only=True)
class Expiring(Message):
    """A mail that is worth nothing after a while: it is not sent any more then."""

    valid_for: timedelta
    """Whole minutes, hours or days: how long its link and code count from now on."""


@dataclass(frozen=True, kw_only=True)
class VerifyAddress(Expiring):
    """Prove the address of a new account. It greets nobody: a stranger may have typed address and name."""

    kind: ClassVar[str] = "verify_address"
    link: Link
    code: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class AlreadyRegistered(Message):
    """Somebody wanted to register an address that has an account. The page said the same as to everybody."""

    kind: ClassVar[str] = "already_registered"
    greets: ClassVar[bool] = True
    sign_in: Link
    reset: Link


@dataclass(frozen=True, kw_only=True)
class ResetPassword(Expiring):
    """Choose a new password."""

    kind: ClassVar[str] = "reset_password"
    greets: ClassVar[bool] = True
    link: Link
    code: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class ConfirmNewAddress(Expiring):
    """Prove the address that an account is to have from now on. It goes there."""

    kind: ClassVar[str] = "confirm_new_address"
    link: Link
    code: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class AddressChangeNotice(Expiring):
    """The address of an account is to change. It goes to the old one, and can stop that."""

    kind: ClassVar[str] = "address_change_notice"
    greets: ClassVar[bool] = True
    is_notice: ClassVar[bool] = True
    new_address: MaskedAddress
    veto: Link


@dataclass(frozen=True, kw_only=True)
class SignInCode(Expiring):
    """Sign in with a code, or by a link in the browser that asked for it."""

    kind: ClassVar[str] = "sign_in_code"
    code: str = field(repr=False)
    link: Link | None
    device: str | None
    """What the browser that asked says it is: `Firefox on Linux`."""


@dataclass(frozen=True, kw_only=True)
class Invitation(Expiring):
    """Come and make an account."""

    kind: ClassVar[str] = "invitation"
    inviter: str | None
    link: Link


class NoticeEvent(StrEnum):
    """What a security notice tells of."""

    NEW_DEVICE = "new_device"
    PASSWORD_CHANGED = "password_changed"
    ADDRESS_CHANGED = "address_changed"
    FACTOR_ADDED = "factor_added"
    FACTOR_REMOVED = "factor_removed"
    FACTORS_RESET = "factors_reset"
    """An administrator has taken them all away."""
    CODES_REFUSED = "codes_refused"
    """Somebody got past the first factor, and typed one wrong code after the other."""
    RECOVERY_CODE_USED = "recovery_code_used"
    RECOVERY_CODES_MADE = "recovery_codes_made"
    """A new set: the ones before count no more."""
    RECOVERY_CODES_LOW = "recovery_codes_low"
    PASSKEY_COPIED = "passkey_copied"
    """A passkey's counter did not grow."""
    IDENTITY_LINKED = "identity_linked"
    IDENTITY_UNLINKED = "identity_unlinked"
    SESSION_STOLEN = "session_stolen"
    """A refresh token was used twice: somebody has a copy."""


@dataclass(frozen=True, kw_only=True)
class SecurityNotice(Expiring):
    """Something about the account has changed. "This wasn't me" undoes it for as long as the link counts."""

    kind: ClassVar[str] = "security_notice"
    greets: ClassVar[bool] = True
    is_notice: ClassVar[bool] = True
    event: NoticeEvent
    at: datetime
    device: str | None
    client_address: str | None
    what: str | MaskedAddress | None = None
    """What the event leaves open: the provider, the name of a passkey, how many codes are left, the address."""
    factor: Factor | None = None
    """Which kind of second factor. Not part of `what`: who names a passkey cannot make it look like an app."""
    is_last: bool = False
    """Whether no further notice of this event is written for a while, so that there may be more to see."""
    undo: Link | None


@dataclass(frozen=True, kw_only=True)
class TestMail(Message):
    """What `ostiary mail test` sends."""

    __test__: ClassVar[bool] = False
    kind: ClassVar[str] = "test_mail"
    is_notice: ClassVar[bool] = True


KINDS: dict[str, type[Message]] = {
    message.kind: message
    for message in (
        VerifyAddress,
        AlreadyRegistered,
        ResetPassword,
        ConfirmNewAddress,
        AddressChangeNotice,
        SignInCode,
        Invitation,
        SecurityNotice,
        TestMail,
    )
}
"""Every mail by its kind."""
