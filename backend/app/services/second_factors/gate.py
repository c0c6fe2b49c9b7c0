"""The gate after every first factor. What begins sessions asks it, so no way to sign in can forget it."""

from dataclasses import dataclass

from app.auth.second_factor_cookies import pending_cookie_header
from app.auth.second_factors import OFF, REQUIRED, Demand, Stage, stage_for
from app.auth.transports import Transport
from app.config import Settings
from app.database import Work
from app.exceptions import SecondFactorRequired
from app.models import AuditKind
from app.services import audit
from app.services.second_factors.held import offered_to
from app.services.second_factors.pending import LIFETIME, begin_pending
from app.services.second_factors.remembered import is_remembered
from app.services.sign_in.attempt import Attempt


@dataclass(frozen=True, slots=True)
class Standing:
    """What the row of an account says, read under the lock under which its session begins."""

    role: str
    has_second_factor: bool
    must_enrol_factor: bool


@dataclass(frozen=True, slots=True)
class Carrier:
    """How the client carries its session, and what its browser keeps as one that is not asked again."""

    transport: Transport
    remembered: str | None = None


async def require_second_factor(work: Work, *, attempt: Attempt, standing: Standing, carrier: Carrier) -> None:
    """Let a sign-in pass that lacks nothing; for any other keep what was proved, and raise `SecondFactorRequired`.

    What is kept is committed with this refusal, and can do nothing but be finished. A browser that is remembered passes
    where a second factor is asked for, and not where the account has none yet.
    """
    stage = stage_for(demand_of(work.settings, standing), attempt.methods)
    if stage is None:
        return
    if stage is Stage.SECOND_FACTOR and await is_remembered(work, user_id=attempt.user_id, token=carrier.remembered):
        return
    factors = await offered_to(work, attempt) if stage is Stage.SECOND_FACTOR else ()
    pending = await begin_pending(work, attempt=attempt, stage=stage, transport=carrier.transport)
    expires_in = int(LIFETIME.total_seconds())
    refusal = SecondFactorRequired(stage.value, [factor.value for factor in factors], expires_in)
    if carrier.transport is Transport.COOKIE:
        refusal.headers["Set-Cookie"] = pending_cookie_header(pending, max_age=expires_in)
    else:
        refusal.members["pending"] = pending
    detail = {"methods": list(attempt.methods), "stage": stage.value}
    audit.refuse(
        work, AuditKind.SIGN_IN_HELD, cause=SecondFactorRequired.code, target_id=attempt.user_id, detail=detail
    )
    refusal.is_noted = True
    raise refusal


def demand_of(settings: Settings, standing: Standing) -> Demand:
    """Return what is demanded of whoever signs in to an account."""
    return Demand(policy_for(settings, standing.role), standing.has_second_factor, standing.must_enrol_factor)


def policy_for(settings: Settings, role: str) -> str:
    """Return `off`, `optional` or `required`, as it is for whoever has a role."""
    is_stricter = settings.SECOND_FACTOR != OFF and role in settings.SECOND_FACTOR_ROLES
    return REQUIRED if is_stricter else settings.SECOND_FACTOR
