"""Sign-in with a code that was mailed, or by the link of the same mail in the browser that asked for it.

Code and link count only together with what the asking browser keeps: whoever reads a code over somebody's shoulder cannot
use it elsewhere, and nobody signs a stranger's browser in by sending a link of their own. A mailed code is one factor, and
no second one beside a password: both prove no more than that somebody reads the mail (NIST SP 800-63B-4, section 3.1.3.1).
"""

from datetime import timedelta

from sqlalchemy import Select, select

from app.auth.assurance import MAILED_CODE
from app.auth.devices import UNKNOWN, device_name
from app.auth.emails import EmailInvalid, mask_email, parse_email
from app.database import Work
from app.exceptions import InvalidCredentials, MailedProofInvalid
from app.mail.links import MailPage, page_link
from app.mail.messages import Recipient, SignInCode
from app.models import AuditKind, Purpose, User
from app.models.role import ORDINARY
from app.services import audit, outbox
from app.services.accounts import checked_email
from app.services.limits import asker_of
from app.services.mailed.proofs import NewProof, Proved, issue_proof, pretend_proof, spend_code, spend_link
from app.services.mailed.reset import FromMail
from app.services.mailed.verification import take_possession
from app.services.sessions.issue import Issued, IssuedCookie
from app.services.sign_in.attempt import Attempt
from app.services.sign_in.stages import SignInContext, ask_gates, complete

VALID_FOR = timedelta(minutes=10)
"""As long as a code that is sent may count (NIST SP 800-63B-4, section 3.1.3.2)."""
_WHERE = (
    "This link or code does not count here, or not any more. Open the link, or type the code, in the browser or app that asked "
    "for it; after ten minutes ask for a new mail"
)
"""Said whatever is wrong with it, so that it tells nothing."""


async def request_code(work: Work, *, email: str, flow: str, with_link: bool) -> None:
    """Mail a code to the owner of an address, which counts together with `flow`. One that somebody else has asked for counts on.

    After too many such mails lately there is none. An address without an account, or with a disabled one, takes the same work and gets no mail. `with_link` is for who
    asks in a browser that keeps `flow`. Raises `FieldInvalid` for what is no address.
    """
    address = checked_email(email)
    # The account before its mailbox, in the order in which everybody takes the two.
    account = _account(address.normal).with_for_update(read=True, key_share=True)
    user = (await work.db.execute(account)).scalar_one_or_none()
    to, asker = Recipient.of(user) if user else Recipient(address=address.deliverable), asker_of(work, user)
    has_room = await outbox.has_room(work, SignInCode, to=to, valid_for=VALID_FOR, apart=asker)
    if user is not None and user.is_active and has_room:
        proof = await issue_proof(
            work,
            purpose=Purpose.SIGN_IN,
            email_normal=address.normal,
            user_id=user.id,
            valid_for=VALID_FOR,
            binding=flow,
        )
        await outbox.post(work, _mail(work, proof, to, with_link=with_link), asker=asker)
        await audit.record(work, AuditKind.SIGN_IN_CODE_REQUESTED, target_id=user.id)
        return
    mail = _mail(work, await pretend_proof(work, purpose=Purpose.SIGN_IN), to, with_link=with_link)
    if user is not None and user.is_active:
        await outbox.hold_back(work, mail)
        return
    await outbox.pretend(work, mail)
    about = audit.About(target_id=user.id if user else None, subject=mask_email(email))
    audit.refuse(work, AuditKind.SIGN_IN_CODE_REQUESTED, **about, cause="user_disabled" if user else "unknown_address")


async def sign_in_with_mail(
    work: Work, context: SignInContext, *, brought: FromMail, flow: str | None
) -> Issued | IssuedCookie:
    """Begin a session for whoever reads the mail of an account. Of any number at once one succeeds.

    `flow` is what the browser, or the app, that asked has kept. If nobody had proved the address before, this does, and what
    somebody else may have put into the account is gone: name, password, every other session, identities. Raises
    `MailedProofInvalid` for a code or link that is wrong, spent, too old, another browser's, or of an address that the
    account does not have any more; `InvalidCredentials` for an account that has been disabled meanwhile; and what a gate
    raises, which leaves the mail unspent unless it is a `Refusal`.
    """
    about = audit.About(subject=brought.subject)
    with audit.refusals(work, AuditKind.SIGN_IN_FAILED, **about, detail={"method": MAILED_CODE}):
        user = await _owner_of(work, await _spend(work, brought, flow or ""))
    attempt = Attempt(user_id=user.id, methods=(MAILED_CODE,), authenticated_at=work.now, proves_address=True)
    with audit.refusals(work, AuditKind.SIGN_IN_FAILED, target_id=user.id):
        admission = await ask_gates(work, context.rules, attempt)
    if user.email_verified_at is None:
        # Whoever was given more than the ordinary role was vouched for by an administrator: that account is theirs as it is.
        await take_possession(work, user=user, password_hash=None, keeps=user.role_name != ORDINARY)
    return await complete(work, context, admission)


async def _spend(work: Work, brought: FromMail, flow: str) -> Proved:
    try:
        if brought.token is not None:
            return await spend_link(work, purpose=Purpose.SIGN_IN, token=brought.token, binding=flow)
        normal = parse_email(brought.email).normal
        return await spend_code(work, purpose=Purpose.SIGN_IN, email_normal=normal, code=brought.code, binding=flow)
    except (EmailInvalid, MailedProofInvalid):
        raise MailedProofInvalid(_WHERE) from None


async def _owner_of(work: Work, proved: Proved) -> User:
    """Return the account that a mail was sent to, locked, if it still has that address. Raises `MailedProofInvalid`."""
    statement = _account(proved.email_normal).where(User.id == proved.user_id).with_for_update()
    user = (await work.db.execute(statement)).scalar_one_or_none()
    if user is None:
        raise MailedProofInvalid(_WHERE)
    if not user.is_active:
        raise InvalidCredentials
    return user


def _account(email_normal: str) -> Select[User]:
    return select(User).where(User.email_normal == email_normal).execution_options(populate_existing=True)


def _mail(work: Work, proof: NewProof, to: Recipient, *, with_link: bool) -> SignInCode:
    device = device_name(work.client.user_agent)
    return SignInCode(
        to=to,
        code=proof.code or "",
        link=page_link(work.settings, MailPage.SIGN_IN, token=proof.token) if with_link else None,
        device=None if device == UNKNOWN else device,
        valid_for=VALID_FOR,
    )
