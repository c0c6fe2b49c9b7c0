"""Security notices: who has an account learns of what was done to it, at the address that it has at that moment.

Each notice carries a link by which its reader can say "this wasn't me" (`undo.py`). It is posted in the transaction of what
it tells of: neither is there without the other.
"""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from app.auth.devices import UNKNOWN, device_name
from app.auth.emails import mask_email, parse_email
from app.auth.second_factors import Factor
from app.database import Work
from app.mail.links import Link, MailPage, page_link
from app.mail.messages import MaskedAddress, NoticeEvent, Recipient, SecurityNotice
from app.models import AuditKind, Purpose, User
from app.services import audit, outbox
from app.services.mailed.proofs import issue_proof
from app.services.sign_in.stages import SignInElsewhere

VALID_FOR = timedelta(hours=72)
"""For how long what a notice tells of can be undone: a weekend, and a day to read one's mail."""


async def notify(
    work: Work, *, user_id: UUID, event: NoticeEvent, what: str | None = None, factor: Factor | None = None
) -> None:
    """Tell the user of an account what was done to it. `what` and `factor` are what the event leaves open, such as the provider.

    An address that nobody has proved gets none: it may be a stranger's, whom somebody would have us write to. It is
    another matter with more than the ordinary role, for which an administrator has vouched.
    """
    # The account before its mailbox, in the order in which everybody takes the two.
    account = select(User).where(User.id == user_id).with_for_update(read=True, key_share=True)
    user = (await work.db.execute(account.execution_options(populate_existing=True))).scalar_one()
    if user.may_hold_anothers:
        return
    await notify_at(work, to=Recipient.of(user), event=event, what=what, factor=factor)


async def notify_at(  # noqa: PLR0913  # Each is a part of the mail.
    work: Work,
    *,
    to: Recipient,
    event: NoticeEvent,
    what: str | MaskedAddress | None = None,
    factor: Factor | None = None,
    can_undo: bool = True,
) -> None:
    """Tell somebody what was done to an account at an address that it has, or had until just now.

    Nobody gets more than a few notices of one event within an hour: the first of them undoes all that came after it, and
    the last one says that there may be more.
    """
    left = await outbox.notices_left(work, to=to, event=event, valid_for=VALID_FOR)
    if not left:
        about = audit.About(target_id=to.user_id, subject=mask_email(to.address))
        detail = {"mail": SecurityNotice.kind, "notice": event.value}
        audit.refuse(work, AuditKind.MAIL_HELD_BACK, **about, cause="too_many", detail=detail)
        return
    undo = await issue_undo(work, purpose=Purpose.UNDO, to=to, because=event.value) if can_undo else None
    device = device_name(work.client.user_agent)
    notice = SecurityNotice(
        to=to,
        event=event,
        at=work.now,
        device=None if device == UNKNOWN else device,
        client_address=work.client.address,
        what=what,
        is_last=left == 1,
        factor=factor,
        undo=undo,
        valid_for=VALID_FOR,
    )
    await outbox.post(work, notice)


async def issue_undo(work: Work, *, purpose: Purpose, to: Recipient, because: str) -> Link:
    """Return the link by which the reader of a mail to this address takes the account back as it was before now."""
    proof = await issue_proof(
        work,
        purpose=purpose,
        email_normal=parse_email(to.address).normal,
        user_id=to.user_id,
        valid_for=VALID_FOR,
        with_code=False,
        detail={"email": to.address, "because": because},
    )
    page = MailPage.VETO if purpose is Purpose.VETO_ADDRESS else MailPage.UNDO
    return page_link(work.settings, page, token=proof.token)


async def notify_of_sign_in(work: Work, elsewhere: SignInElsewhere) -> None:
    """Tell a user of a sign-in with a new device or from a new place. An observer of every sign-in."""
    await notify(work, user_id=elsewhere.session.user_id, event=NoticeEvent.NEW_DEVICE)
