"""Making an account by oneself: who may, and what a stranger learns of it, which under EMAIL_VERIFICATION=required is nothing."""

from sqlalchemy import select

from app.auth.emails import EmailAddress
from app.auth.passwords.pool import HashingPool
from app.config import Settings
from app.database import Work
from app.exceptions import FieldCode, FieldInvalid, SignUpClosed
from app.mail.links import MailPage, page_link
from app.mail.messages import AlreadyRegistered, Recipient, VerifyAddress
from app.models import AuditKind, Purpose, User
from app.services import audit, outbox
from app.services.accounts import NewAccount, add_account, checked_email, register
from app.services.mail_caps import Asker
from app.services.mailed.proofs import pretend_proof
from app.services.mailed.verification import VALID_FOR, mail_verification
from app.sign_up_settings import OFF, REQUIRED


async def sign_up(work: Work, hashing: HashingPool, *, account: NewAccount, browser: str | None) -> User | None:
    """Add an account for somebody who wants one, and return it, or None where a mail alone says what became of it.

    `browser` is a secret that the asking browser keeps: it keeps what it puts there, once the address is proved. Raises
    `SignUpClosed`; `FieldInvalid`; `HashingBusy`; and `EmailTaken`, unless EMAIL_VERIFICATION is required.
    """
    with audit.refusals(work, AuditKind.USER_REGISTRATION_REFUSED):
        check_may_sign_up(work.settings, checked_email(account.email))
    if work.settings.EMAIL_VERIFICATION == REQUIRED:
        await _sign_up_quietly(work, hashing, account=account, browser=browser)
        return None
    user = await register(work, hashing, account=account)
    if work.settings.EMAIL_VERIFICATION != OFF:
        await mail_verification(work, user=user, browser=browser)
    return user


def check_may_sign_up(settings: Settings, address: EmailAddress) -> None:
    """Raise `SignUpClosed`, or `FieldInvalid` for an address whose domain is none of SIGN_UP_DOMAINS."""
    if settings.SIGN_UP != "open":
        raise SignUpClosed
    if not _domain_is_allowed(settings, address.normal):
        raise FieldInvalid("/email", FieldCode.EMAIL_NOT_ALLOWED, "addresses of this domain cannot register here")


def sign_up_is_open(settings: Settings, email_normal: str) -> bool:
    """Whether whoever has this address may make an account without an invitation."""
    return settings.SIGN_UP == "open" and _domain_is_allowed(settings, email_normal)


def _domain_is_allowed(settings: Settings, email_normal: str) -> bool:
    return not settings.SIGN_UP_DOMAINS or email_normal.rpartition("@")[2] in settings.SIGN_UP_DOMAINS


async def _sign_up_quietly(work: Work, hashing: HashingPool, *, account: NewAccount, browser: str | None) -> None:
    """Add the account, or tell the owner of the one there is. Both are the same work: hashes, statements, one mail."""
    added = await add_account(work, hashing, account=account)
    normal = checked_email(account.email).normal
    # The account before its mailbox, in the order in which everybody takes the two: posting to it takes both.
    found = select(User).where(User.email_normal == normal).with_for_update(read=True, key_share=True)
    user = (await work.db.execute(found.execution_options(populate_existing=True))).scalar_one_or_none()
    if user is None:  # Deleted since: as if it had come a moment later.
        return
    if added is not None:
        await mail_verification(work, user=user, browser=browser)
        return
    to = Recipient.of(user)
    await outbox.has_room(work, VerifyAddress, to=to, valid_for=VALID_FOR, apart=Asker.ANYBODY)
    await pretend_proof(work, purpose=Purpose.VERIFY_ADDRESS)
    await outbox.post(work, already_registered(work.settings, user))


def already_registered(settings: Settings, user: User) -> AlreadyRegistered:
    """Return the mail to somebody who has an account already."""
    return AlreadyRegistered(
        to=Recipient.of(user),
        # Without sign-in by mail there is no page of ours to sign in at; the front end's is the product's to know.
        sign_in=page_link(settings, MailPage.SIGN_IN if settings.MAIL_SIGN_IN == "on" else MailPage.FORGOT),
        reset=page_link(settings, MailPage.FORGOT),
    )
