"""What every way to sign in has in common, once its first factor has been proved.

A way to sign in (password today) identifies somebody, proves a first factor, and hands an `Attempt` to `complete`.
Every gate is asked, whichever way was taken; only when all are open does a session begin. A further way is a module
beside this one, a further demand a gate: neither is a branch.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from app.auth.tokens import CookieToken
from app.auth.transports import Transport
from app.database import Work
from app.exceptions import Refusal
from app.models import AuditKind, EndCause, Session
from app.services import audit
from app.services.second_factors.gate import Carrier
from app.services.sessions.end import end_replaced_session
from app.services.sessions.issue import Issued, IssuedCookie, begin_session
from app.services.sign_in.attempt import Attempt


@dataclass(frozen=True)
class Admission:
    """A sign-in whose every gate is open. `ask_gates` alone makes one, in the transaction in which the session begins."""

    attempt: Attempt


@dataclass(frozen=True)
class SignInElsewhere:
    """A sign-in with something new about it: what its user may want to be told."""

    session: Session
    news: tuple[str, ...]
    """`new device`, `new place`, or both."""


Gate = Callable[[Work, Attempt], Awaitable[None]]
"""A demand on everybody who signs in. It raises an exception of the catalogue to keep somebody out."""

Observer = Callable[[Work, SignInElsewhere], Awaitable[None]]
"""Is told of a sign-in elsewhere, in its transaction: what it writes is committed with the session, or not at all."""


@dataclass(frozen=True)
class SignInRules:
    """What this installation demands of a sign-in, and who is told of one."""

    gates: tuple[Gate, ...] = ()
    observers: tuple[Observer, ...] = ()


@dataclass(frozen=True)
class SignInContext:
    """What stands around a sign-in: the demands of this installation, and how the client carries its session."""

    rules: SignInRules = SignInRules()
    transport: Transport = Transport.BEARER
    replaces: CookieToken | None = None
    """The cookie that the same browser carries already."""
    remembered: str | None = field(default=None, repr=False)
    """What the browser keeps as one that is not asked for a second factor."""


async def complete(work: Work, context: SignInContext, attempt: Attempt | Admission) -> Issued | IssuedCookie:
    """Ask every gate unless they have been asked in this transaction, begin the session, and return what is handed out.

    A cookie session that the same browser had before ends: it is replaced, never taken over (OWASP ASVS 5.0, 7.2.4).
    Raises what a gate raises, `SecondFactorRequired` where one factor is not enough, and `InvalidCredentials` when the account
    has just been disabled.
    """
    user_id = attempt.attempt.user_id if isinstance(attempt, Admission) else attempt.user_id
    with audit.refusals(work, AuditKind.SIGN_IN_FAILED, target_id=user_id):
        admission = attempt if isinstance(attempt, Admission) else await ask_gates(work, context.rules, attempt)
        carrier = Carrier(context.transport, context.remembered)
        begun = await begin_session(work, attempt=admission.attempt, carrier=carrier)
    if context.replaces:
        await end_replaced_session(work, cookie=context.replaces, cause=EndCause.SIGNED_IN_AGAIN)
    if begun.news:
        for observer in context.rules.observers:
            await _tell(observer, work, SignInElsewhere(session=begun.session, news=begun.news))
    return begun.issued


async def ask_gates(work: Work, rules: SignInRules, attempt: Attempt) -> Admission:
    """Ask every gate, and raise what the first one raises that is closed.

    `complete` does so. Who has to change an account before there is a session asks before that as well.
    """
    for gate in rules.gates:
        await gate(work, attempt)
    return Admission(attempt)


async def _tell(observer: Observer, work: Work, elsewhere: SignInElsewhere) -> None:
    """Tell an observer. It cannot refuse: a `Refusal` would commit a session that nobody was given."""
    try:
        await observer(work, elsewhere)
    except Refusal as error:
        raise TypeError("a sign-in observer raised a Refusal; only a gate can refuse") from error
