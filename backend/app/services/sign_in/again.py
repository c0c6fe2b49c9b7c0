"""Proving once more who one is, within a session: what a route with `fresh(minutes=…)` asks for (RFC 9470)."""

from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, select

from app.auth.actor import CurrentUser
from app.auth.assurance import PASSWORD, USER_VERIFIED
from app.auth.passkeys.ceremonies import CeremonyKind
from app.auth.passwords.pool import HashingPool
from app.auth.second_factors import OFF, is_passkey_alone, with_second_factor
from app.auth.tokens import CookieReplacement
from app.database import Work
from app.exceptions import InsufficientUserAuthentication, SecondFactorWrong, SessionEnded, WrongPassword
from app.models import AuditKind, SessionEventKind, User
from app.services import audit
from app.services.accounts import verified_password_hash
from app.services.callers import lock_current_user, reread_current_user
from app.services.passkeys.ceremonies import Begun, Purpose, ask_for_own
from app.services.second_factors.held import offered_to
from app.services.second_factors.proofs import CodeAnswer, Occasion, PasskeyAnswer, prove_factor
from app.services.sessions.events import record_habit
from app.services.sessions.issue import IssuedAccess, IssuedCookie
from app.services.sign_in.attempt import Attempt
from app.services.sign_in.renewal import Renewal, renew

FACTORS = ("totp", "passkey", "recovery_code")
"""What proves anew who somebody is whose account has a second factor."""


@dataclass(frozen=True)
class PasswordProof:
    """A password that is typed again, and the cookie that the browser is to get for it, if it carries one."""

    password: str = field(repr=False)
    replacement: CookieReplacement | None


async def prove_password_again(
    work: Work, hashing: HashingPool, *, user: CurrentUser, proof: PasswordProof
) -> IssuedAccess | IssuedCookie:
    """Note a fresh proof in the caller's session, and return a credential that says so; see `renew`.

    Raises `WrongPassword`, also when it was changed meanwhile, `SessionEnded`, and `InsufficientUserAuthentication` for an
    account with a second factor, whose password alone is no proof.
    """
    await _check_password_is_enough(work, user)
    stored = await verified_password_hash(work, hashing, user=user, password=proof.password)
    methods = tuple(dict.fromkeys((*user.methods, PASSWORD)))
    issued = await renew(work, Renewal(user, methods, proof.replacement), _is_enough_still(work, user, stored))
    if issued is None:
        # Says so when the session has ended, or a second factor has just come.
        await _check_password_is_enough(work, await reread_current_user(work, user=user))
        raise WrongPassword
    await _record(work, user, PASSWORD)
    return issued


async def prove_factor_again(
    work: Work, *, user: CurrentUser, answer: CodeAnswer | PasskeyAnswer, replacement: CookieReplacement | None
) -> IssuedAccess | IssuedCookie:
    """The same with a second factor of the account, in place of its password. Raises what `prove_factor` raises, and `SessionEnded`.

    A session that a passkey alone has begun, in a browser that is remembered, takes something else: once more is no other factor.
    """
    await lock_current_user(work, user=user)
    occasion = Occasion(CeremonyKind.STEP_UP, user.session_id, AuditKind.SESSION_PROOF_REFUSED)
    methods = await prove_factor(work, user_id=user.id, answer=answer, occasion=occasion)
    _check_another(work, user, answer, methods)
    issued = await renew_with_factor(work, user=user, methods=methods, replacement=replacement)
    await _record(work, user, answer.factor.value)
    return issued


async def renew_with_factor(
    work: Work, *, user: CurrentUser, methods: tuple[str, ...], replacement: CookieReplacement | None
) -> IssuedAccess | IssuedCookie:
    """Return a credential of the caller's session that says that a second factor was proved now. Raises `SessionEnded`."""
    issued = await renew(work, Renewal(user, with_second_factor(user.methods, *methods), replacement))
    if issued is None:
        await reread_current_user(work, user=user)
        raise SessionEnded
    return issued


async def ask_for_passkey_again(work: Work, *, user: CurrentUser) -> Begun:
    """Ask for a passkey of the caller's, for a fresh proof."""
    purpose = Purpose(CeremonyKind.STEP_UP, bound_to=user.session_id, user_id=user.id)
    return await ask_for_own(work, purpose)


async def _check_password_is_enough(work: Work, user: CurrentUser) -> None:
    if user.has_second_factor:
        held = await offered_to(work, Attempt(user.id, (PASSWORD,)))
        raise InsufficientUserAuthentication(None, tuple(factor.value for factor in held))


def _is_enough_still(work: Work, user: CurrentUser, stored: str | None) -> ColumnElement[bool]:
    """The condition that the password is the one that was checked, and no second factor has come meanwhile."""
    unchanged = select(User.id).where(User.id == user.id, User.password_hash == stored)
    if work.settings.SECOND_FACTOR != OFF:
        unchanged = unchanged.where(User.has_second_factor.is_(False))
    return unchanged.exists()


def _check_another(work: Work, user: CurrentUser, answer: CodeAnswer | PasskeyAnswer, methods: tuple[str, ...]) -> None:
    is_same = isinstance(answer, PasskeyAnswer) and USER_VERIFIED not in methods
    if not user.is_multi_factor and is_passkey_alone(user.methods) and is_same:
        about = audit.About(actor_id=user.id, target_id=user.id, session_id=user.session_id)
        detail = {"method": answer.factor.value}
        audit.refuse(work, AuditKind.SESSION_PROOF_REFUSED, **about, cause=SecondFactorWrong.code, detail=detail)
        raise SecondFactorWrong


async def _record(work: Work, user: CurrentUser, method: str) -> None:
    kind = SessionEventKind.REAUTHENTICATED
    await record_habit(work, user.session_id, kind=kind, detail=method, once_per_address=False)
    about = audit.About(actor_id=user.id, target_id=user.id, session_id=user.session_id)
    await audit.record(work, AuditKind.SESSION_REAUTHENTICATED, **about, detail={"method": method})
