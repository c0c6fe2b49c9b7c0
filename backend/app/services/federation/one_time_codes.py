"""The code that a browser brings from the callback to the front end: one minute, once, and only with a proof.

No token ever stands in a URL. The code stands in the fragment, which browsers send to no server, and counts only
together with a value that never was in an address: what the callback gave to this browser, or the verifier of whoever
wrote the link that began. Such a link may be an attacker's; that is why nobody but a script of the page that the browser
comes back to may read the code, and that page drops a code that it did not ask for.
"""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Row, delete, insert, select

from app.auth import base64url
from app.auth.assurance import FEDERATED
from app.auth.tokens import digest_of
from app.database import Work
from app.exceptions import FlowInvalid
from app.models import SignInCode, User
from app.services.federation.arrivals import Arrived
from app.services.federation.refusals import Because, refusals_told
from app.services.sessions.issue import Issued, IssuedCookie
from app.services.sign_in.attempt import Attempt
from app.services.sign_in.stages import SignInContext, complete

LIFETIME = timedelta(seconds=60)
PREFIX = "ost_ec_"
"""Names the kind, so that a secret scanner or a support engineer sees what leaked."""
_RANDOM_BYTES = 32


@dataclass(frozen=True)
class NewCode:
    """A one-time code, and what its browser is to keep for it."""

    code: str = field(repr=False)
    browser_proof: str | None = field(repr=False)
    """None: the front end has a proof of its own, whose challenge came with the beginning."""


async def issue_code(
    work: Work, *, arrived: Arrived, code_challenge: str | None, authenticated_at: datetime | None
) -> NewCode:
    """Add a code for somebody whom a provider has proved, at that time if it is known."""
    code = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    browser_proof = None if code_challenge else secrets.token_urlsafe(_RANDOM_BYTES)
    row = {
        "digest": digest_of(code.encode()),
        "binding": digest_of((code_challenge or _challenge_of(browser_proof or "")).encode()),
        "user_id": arrived.user_id,
        "identity_id": arrived.identity_id,
        "authenticated_at": authenticated_at,
        "expires_at": work.now + LIFETIME,
    }
    await work.db.execute(insert(SignInCode).values(row))
    return NewCode(code=code, browser_proof=browser_proof)


async def redeem_code(work: Work, context: SignInContext, *, code: str, proof: str | None) -> Issued | IssuedCookie:
    """Trade a code for a session. Of any number at once one succeeds.

    `proof` is the front end's code verifier, or what the browser kept. Raises `FlowInvalid` for a code that is spent,
    too old, or shown without its proof; `InvalidCredentials` for an account that has been disabled meanwhile; and what
    a gate raises.
    """
    with refusals_told(work):
        spent = await _spend_code(work, code, proof)
        attempt = Attempt(user_id=spent.user_id, methods=(FEDERATED,), authenticated_at=spent.authenticated_at)
        return await complete(work, context, attempt)


async def _spend_code(work: Work, code: str, proof: str | None) -> Row[UUID, datetime | None]:
    """Delete a code, and return whose it is, and when they proved it. Raises `FlowInvalid`."""
    mine = (
        SignInCode.digest == digest_of(code.encode()),
        SignInCode.binding == digest_of(_challenge_of(proof or "").encode()),
        SignInCode.expires_at > work.now,
    )
    # The account before its code, in the order in which an account that is handed over, or an identity that is removed,
    # takes them: no two wait for each other.
    owner = select(SignInCode.user_id).where(*mine).scalar_subquery()
    await work.db.execute(select(User.id).where(User.id == owner).with_for_update())
    spent = delete(SignInCode).where(*mine).returning(SignInCode.user_id, SignInCode.authenticated_at)
    found = (await work.db.execute(spent.execution_options(synchronize_session=False))).one_or_none()
    if found is None:
        raise FlowInvalid from Because("no_such_code")
    return found


def _challenge_of(proof: str) -> str:
    """Return what proves nothing by itself (RFC 7636, section 4.2)."""
    return base64url.encode(hashlib.sha256(proof.encode()).digest())
