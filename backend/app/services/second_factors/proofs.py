"""A second factor is proved: at the gate, and within a session in place of the password."""

from dataclasses import dataclass, field
from uuid import UUID

from app.auth.assurance import MULTI_FACTOR, RECOVERY_CODE, TOTP
from app.auth.passkeys.ceremonies import CeremonyKind
from app.auth.second_factors import Factor
from app.database import Work
from app.models import AuditKind
from app.services import audit
from app.services.passkeys.ceremonies import Purpose
from app.services.passkeys.proof import Brought, prove_passkey
from app.services.second_factors.recovery_codes import spend_recovery_code
from app.services.second_factors.totp import spend_totp


@dataclass(frozen=True, slots=True)
class CodeAnswer:
    """A code of the account's app, or of its list."""

    factor: Factor
    code: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PasskeyAnswer:
    """What a passkey has answered."""

    brought: Brought = field(repr=False)
    factor: Factor = Factor.PASSKEY


@dataclass(frozen=True, slots=True)
class PasswordAnswer:
    """The account's password, beside a passkey that did not verify its user."""

    password: str = field(repr=False)
    factor: Factor = Factor.PASSWORD


@dataclass(frozen=True, slots=True)
class Occasion:
    """For what somebody proves a factor, and what the audit log calls it when they cannot."""

    kind: CeremonyKind
    bound_to: UUID
    refusal: AuditKind

    @property
    def session_id(self) -> UUID | None:
        """The session that it is proved in; at the gate there is none yet."""
        return self.bound_to if self.kind is CeremonyKind.STEP_UP else None


async def prove_factor(
    work: Work, *, user_id: UUID, answer: CodeAnswer | PasskeyAnswer, occasion: Occasion
) -> tuple[str, ...]:
    """Use up a proof of a second factor of an account, locked by the caller, and return its methods (RFC 8176).

    A code counts once, whatever it is shown for. Raises `SecondFactorWrong`, `PasskeyRefused`, and `RateLimited` after
    too many wrong codes.
    """
    if isinstance(answer, PasskeyAnswer):
        purpose = Purpose(occasion.kind, bound_to=occasion.bound_to, user_id=user_id)
        proved = await prove_passkey(work, purpose=purpose, brought=answer.brought, kind=occasion.refusal)
        return tuple(method for method in proved.methods if method != MULTI_FACTOR)
    about = audit.About(target_id=user_id, session_id=occasion.session_id)
    with audit.refusals(work, occasion.refusal, **about, detail={"method": answer.factor.value}):
        if answer.factor is Factor.TOTP:
            await spend_totp(work, user_id=user_id, code=answer.code)
            return (TOTP,)
        await spend_recovery_code(work, user_id=user_id, code=answer.code, session_id=occasion.session_id)
        return (RECOVERY_CODE,)
