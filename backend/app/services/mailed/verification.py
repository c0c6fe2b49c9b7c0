"""Whose address is it? Mailed at registration, and proved by a link, or by a code, of that mail.

Anybody can register anybody's address. Its owner gets the mail, and may follow its link without having asked for
anything. So a proof of the address alone keeps nothing that was put into the account before: no password, session,
identity or pending change, which may be somebody else's. They stay for the browser that registered, which has a secret
of ours; elsewhere whoever brings the proof chooses the password, as in a reset (docs/decisions/0016-mailed-proofs.md).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from hmac import compare_digest
from typing import Any

from sqlalchemy import and_, select, update

from app.auth.assurance import FEDERATED
from app.auth.emails import EmailInvalid, mask_email, parse_email
from app.auth.passwords.pool import HashingPool
from app.database import Work
from app.exceptions import EmailNotVerified
from app.mail.links import MailPage, page_link
from app.mail.messages import Recipient, VerifyAddress
from app.models import AuditKind, EndCause, Identity, MailedProof, Purpose, User
from app.models.role import ORDINARY
from app.services import audit, outbox
from app.services.accounts import check_new_password, checked_email, strange_devices
from app.services.former_owner import forget_former_owner
from app.services.limits import asker_of
from app.services.mail_caps import Asker, living_link
from app.services.mailed.proofs import NewProof, issue_proof, pretend_proof
from app.services.mailed.reset import FromMail, end_ways_in, no_own_words, owner_of, spend
from app.services.sign_in.attempt import Attempt
from app.sign_up_settings import REQUIRED

VALID_FOR = timedelta(hours=24)
_BROWSER = "browser"
"""What a proof remembers: a digest of the secret of the browser that registered."""


@dataclass(frozen=True)
class Confirming:
    """What somebody shows beside the mail."""

    browser: str | None = field(repr=False)
    """What their browser keeps since it has registered somebody, if it has."""
    password: str | None = field(default=None, repr=False)
    """The password that the account is to have from now on. None: the one that it has, if that may stay."""


async def mail_verification(work: Work, *, user: User, browser: str | None) -> None:
    """Mail a link and a code that prove the address of a new account: none after too many lately, until it is asked for."""
    to = Recipient.of(user)
    if await outbox.has_room(work, VerifyAddress, to=to, valid_for=VALID_FOR, apart=Asker.ANYBODY):
        proof = await _issue(work, user, {_BROWSER: _digest(browser)} if browser else None)
        await outbox.post(work, verification_mail(work, proof, to))
        return
    await outbox.hold_back(work, verification_mail(work, await pretend_proof(work, purpose=Purpose.VERIFY_ADDRESS), to))


async def resend_verification(work: Work, *, email: str) -> None:
    """Mail a new link and code; the ones before do not count any more.

    After too many such mails lately there is none while the last one counts. An address without an account, or whose account
    needs no proof, takes the same work and gets no mail. Raises `FieldInvalid` for what is no address.
    """
    address = checked_email(email)
    pending = and_(MailedProof.purpose == Purpose.VERIFY_ADDRESS, MailedProof.email_normal == User.email_normal)
    statement = (
        select(User, MailedProof.detail)
        .outerjoin(MailedProof, pending)
        .where(User.email_normal == address.normal)
        # The account before its mailbox, in the order in which everybody takes the two.
        .with_for_update(of=User, read=True, key_share=True)
        .execution_options(populate_existing=True)
    )
    found = (await work.db.execute(statement)).one_or_none()
    user, detail = found or (None, None)
    to, asker = Recipient.of(user) if user else Recipient(address=address.deliverable), asker_of(work, user)
    link = living_link(work, Purpose.VERIFY_ADDRESS, address.normal)
    has_room = await outbox.has_room(work, VerifyAddress, to=to, valid_for=VALID_FOR, apart=asker, link=link)
    waits = user is not None and user.is_active and user.email_verified_at is None
    if user is not None and waits and has_room:
        proof = await _issue(work, user, detail)
        await outbox.post(work, verification_mail(work, proof, to), asker=asker, has_room=True)
        await audit.record(work, AuditKind.USER_VERIFICATION_REQUESTED, target_id=user.id)
        return
    mail = verification_mail(work, await pretend_proof(work, purpose=Purpose.VERIFY_ADDRESS), to)
    if waits:
        await outbox.hold_back(work, mail)
        return
    await outbox.pretend(work, mail)
    about = audit.About(target_id=user.id if user else None, subject=mask_email(email))
    cause = "nothing_to_prove" if user else "unknown_address"
    audit.refuse(work, AuditKind.USER_VERIFICATION_REQUESTED, **about, cause=cause)


async def confirm_address(work: Work, hashing: HashingPool, *, brought: FromMail, shown: Confirming) -> User:
    """Note that the address of an account is its user's, and return the account. Nobody is signed in by it.

    In another browser than the one that registered, name, language, sessions, identities and pending changes go, and the
    password becomes the one that is shown, or none. Raises `MailedProofInvalid`, also for a disabled account and for an address that
    the account does not have any more; `FieldInvalid` for a password that is not accepted, which leaves the mail unspent;
    `HashingBusy` under too much load.
    """
    replacement = None
    if shown.password is not None:
        check_new_password(work.settings, shown.password, pointer="/password", own_words=())
        replacement = await hashing.hash(shown.password)
    with audit.refusals(work, AuditKind.USER_ADDRESS_PROOF_REFUSED, subject=brought.subject):
        proved = await spend(work, Purpose.VERIFY_ADDRESS, brought)
        user = await owner_of(work, proved)
    if shown.password is not None:
        words = (user.email_normal, user.full_name or "")
        check_new_password(work.settings, shown.password, pointer="/password", own_words=words)
    if user.email_verified_at is None:
        is_own = compare_digest(str(proved.detail.get(_BROWSER)), _digest(shown.browser))
        # Whoever was given more than the ordinary role was vouched for by an administrator: that account is theirs as it is.
        keeps = is_own or user.role_name != ORDINARY
        return await take_possession(work, user=user, password_hash=replacement, keeps=keeps)
    return user


async def take_possession(work: Work, *, user: User, password_hash: str | None, keeps: bool = False) -> User:
    """Give an account, locked by the caller, to whoever has just proved its address for the first time, and return it.

    Unless they `keep` what is there, name, language, every session, identity and pending change go, which somebody else
    may have put there, and `password_hash` is the password from now on; None: there is none. Devices that were known are
    strangers either way.
    """
    values: dict[str, Any] = {"email_verified_at": work.now, "updated_at": work.now, **strange_devices()}
    if not keeps or password_hash is not None:
        values["password_hash"] = password_hash
    if not keeps:
        values |= no_own_words(user)
        await forget_former_owner(work, user_id=user.id)
        await end_ways_in(work, user_id=user.id, cause=EndCause.ADDRESS_PROVED)
    changed = update(User).where(User.id == user.id).values(values).returning(User)
    updated = (await work.db.execute(changed.execution_options(populate_existing=True))).scalar_one()
    about = audit.About(actor_id=user.id, target_id=user.id)
    await audit.record(work, AuditKind.USER_ADDRESS_PROVED, **about, detail={"kept": keeps})
    return updated


async def require_verified_address(work: Work, attempt: Attempt) -> None:
    """Be the gate of EMAIL_VERIFICATION=required. Raises `EmailNotVerified`.

    Whoever was given more than the ordinary role was vouched for by an administrator. Of who comes from a provider, its
    word is enough to come in, though not to keep others out: the account goes on giving way to a better proof.
    """
    if work.settings.EMAIL_VERIFICATION != REQUIRED or attempt.proves_address or attempt.is_vouched_for:
        return
    columns = select(User.email_normal, User.email_verified_at, User.role_name)
    user = (await work.db.execute(columns.where(User.id == attempt.user_id))).one_or_none()
    if user is None or user.email_verified_at is not None or user.role_name != ORDINARY:
        return
    if FEDERATED not in attempt.methods or not await _is_vouched_for(work, attempt, user.email_normal):
        raise EmailNotVerified


def verification_mail(work: Work, proof: NewProof, to: Recipient) -> VerifyAddress:
    """Return the mail that holds a proof."""
    link = page_link(work.settings, MailPage.VERIFY, token=proof.token)
    return VerifyAddress(to=to, link=link, code=proof.code or "", valid_for=VALID_FOR)


async def _issue(work: Work, user: User, detail: Mapping[str, Any] | None) -> NewProof:
    return await issue_proof(
        work,
        purpose=Purpose.VERIFY_ADDRESS,
        email_normal=user.email_normal,
        user_id=user.id,
        valid_for=VALID_FOR,
        detail=detail,
    )


async def _is_vouched_for(work: Work, attempt: Attempt, email_normal: str) -> bool:
    """Whether a provider says that this very address has been verified."""
    statement = select(Identity.email).where(Identity.user_id == attempt.user_id, Identity.email_verified)
    return email_normal in {_normal(email) for email in (await work.db.execute(statement)).scalars()}


def _normal(email: str | None) -> str | None:
    try:
        return parse_email(email or "").normal
    except EmailInvalid:
        return None


def _digest(browser: str | None) -> str:
    """Return what is kept of a browser's secret (256 random bits); of none, what nothing is equal to."""
    return hashlib.sha256(f"registered here/{browser}".encode(errors="replace")).hexdigest() if browser else "none"
