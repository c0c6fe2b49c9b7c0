"""A sign-in that lacks a second factor goes on: with one of the account's own, or with the first one that it gets."""

from dataclasses import dataclass, field
from typing import NoReturn
from uuid import UUID

from sqlalchemy import select

from app.auth.assurance import PASSWORD, TOTP
from app.auth.passkeys.ceremonies import CeremonyKind
from app.auth.passwords.pool import HashingPool
from app.auth.second_factors import Factor, Stage, with_second_factor
from app.auth.transports import Transport
from app.database import Work
from app.exceptions import RateLimited, SecondFactorWrong
from app.models import AuditKind, User
from app.services import audit
from app.services.passkeys.ceremonies import Begun, Purpose, ask_for_own
from app.services.second_factors.changes import FactorAdded, NewFactor, note_added
from app.services.second_factors.held import offered_to
from app.services.second_factors.pending import (
    Pending,
    find_pending,
    finish_pending,
    give_back_try,
    lock_pending,
    take_try,
)
from app.services.second_factors.proofs import CodeAnswer, Occasion, PasskeyAnswer, PasswordAnswer, prove_factor
from app.services.second_factors.remembered import remember
from app.services.second_factors.totp import TotpOffer, confirm_totp, offer_totp
from app.services.sessions.issue import Issued, IssuedCookie
from app.services.sign_in.attempt import Attempt
from app.services.sign_in.stages import SignInContext, complete

Answer = CodeAnswer | PasskeyAnswer | PasswordAnswer


@dataclass(frozen=True, slots=True)
class Finish:
    """Who goes on, and with what."""

    token: str | None = field(repr=False)
    """What names the sign-in."""
    answer: Answer
    remember: bool = False
    """Whether the browser is to be asked for no second factor for a while."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A session, and what the browser keeps from now on."""

    issued: Issued | IssuedCookie
    remembered: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A session, and what came with the account's new second factor."""

    issued: Issued | IssuedCookie
    added: FactorAdded


async def finish_sign_in(work: Work, hashing: HashingPool, context: SignInContext, *, finish: Finish) -> Finished:
    """Begin the session of a sign-in that lacked a second factor. Of any number at once one succeeds.

    Raises `PendingSignInInvalid` for a sign-in that is finished, over, or was begun elsewhere; what `prove_factor` raises, which costs
    it one of its tries, except `RateLimited`; `SecondFactorWrong` for a factor that was not offered; and what `complete` raises.
    """
    stored = None
    if isinstance(finish.answer, PasswordAnswer):
        stored = await _verified(work, hashing, context, finish.token, finish.answer.password)
    pending = await take_try(work, token=finish.token, stage=Stage.SECOND_FACTOR, transport=context.transport)
    try:
        methods = await _prove(work, pending, finish.answer, stored)
    except RateLimited:
        await give_back_try(work, pending)  # The answer may have been right: nobody has looked at it.
        raise
    await _record(work, pending, finish.answer)
    await finish_pending(work, pending)
    remembered = await remember(work, user_id=pending.attempt.user_id) if finish.remember else None
    return Finished(await complete(work, context, _further(work, pending, methods)), remembered)


async def ask_for_passkey(work: Work, *, token: str | None, transport: Transport) -> Begun:
    """Ask for a passkey of the account that signs in; it costs none of its tries.

    Raises `PendingSignInInvalid`, and `SecondFactorWrong` where no passkey is offered.
    """
    pending = await find_pending(work, token=token, stage=Stage.SECOND_FACTOR, transport=transport)
    await _check_offered(work, pending, Factor.PASSKEY)
    purpose = Purpose(CeremonyKind.SECOND_FACTOR, bound_to=pending.id, user_id=pending.attempt.user_id)
    return await ask_for_own(work, purpose)


async def offer_app(work: Work, *, token: str | None, transport: Transport) -> TotpOffer:
    """Offer an authenticator app to an account that has to have a second factor and has none. Raises `PendingSignInInvalid`."""
    pending = await lock_pending(work, token=token, stage=Stage.ENROLMENT, transport=transport)
    user_id = pending.attempt.user_id
    email = (await work.db.execute(select(User.email).where(User.id == user_id))).scalar_one()
    return await offer_totp(work, user_id=user_id, email=email)


async def enrol_app(work: Work, context: SignInContext, *, token: str | None, code: str) -> Enrolled:
    """Confirm the app, and begin the session. Raises `PendingSignInInvalid`, `EnrolmentNotBegun`, `SecondFactorWrong`."""
    pending = await take_try(work, token=token, stage=Stage.ENROLMENT, transport=context.transport)
    user_id = pending.attempt.user_id
    with audit.refusals(work, AuditKind.FACTOR_REFUSED, target_id=user_id, detail={"factor": "totp"}):
        confirmed = await confirm_totp(work, user_id=user_id, code=code)
    await finish_pending(work, pending)
    added = await note_added(work, user_id=user_id, session_id=None, factor=NewFactor(Factor.TOTP, confirmed.id))
    return Enrolled(await complete(work, context, _further(work, pending, (TOTP,))), added)


async def _verified(
    work: Work, hashing: HashingPool, context: SignInContext, token: str | None, password: str
) -> str | None:
    """Return the hash that a password was found to match, or None, before the transaction begins."""
    with hashing.place() as place:
        mine = await find_pending(work, token=token, stage=Stage.SECOND_FACTOR, transport=context.transport)
        row = await work.read.first(select(User.password_hash).where(User.id == mine.attempt.user_id))
        stored: str | None = row.password_hash if row else None
        return stored if await hashing.verify(password, stored, place=place) else None


async def _prove(work: Work, pending: Pending, answer: Answer, stored: str | None) -> tuple[str, ...]:
    user_id = pending.attempt.user_id
    await _check_offered(work, pending, answer.factor)
    if not isinstance(answer, PasswordAnswer):
        occasion = Occasion(CeremonyKind.SECOND_FACTOR, pending.id, AuditKind.SIGN_IN_CONTINUED)
        return await prove_factor(work, user_id=user_id, answer=answer, occasion=occasion)
    unchanged = select(User.id).where(User.id == user_id, User.password_hash == stored)
    if stored is None or (await work.db.execute(unchanged)).first() is None:
        _refuse(work, user_id, answer.factor)
    return (PASSWORD,)


async def _check_offered(work: Work, pending: Pending, factor: Factor) -> None:
    if factor not in await offered_to(work, pending.attempt):
        _refuse(work, pending.attempt.user_id, factor)


def _refuse(work: Work, user_id: UUID, factor: Factor) -> NoReturn:
    detail = {"method": factor.value}
    audit.refuse(work, AuditKind.SIGN_IN_CONTINUED, cause=SecondFactorWrong.code, target_id=user_id, detail=detail)
    raise SecondFactorWrong


async def _record(work: Work, pending: Pending, answer: Answer) -> None:
    about = audit.About(actor_id=pending.attempt.user_id, target_id=pending.attempt.user_id)
    await audit.record(work, AuditKind.SIGN_IN_CONTINUED, **about, detail={"method": answer.factor.value})


def _further(work: Work, pending: Pending, methods: tuple[str, ...]) -> Attempt:
    """Return the sign-in with both of its factors."""
    attempt = pending.attempt
    return Attempt(attempt.user_id, with_second_factor(attempt.methods, *methods), authenticated_at=work.now)
