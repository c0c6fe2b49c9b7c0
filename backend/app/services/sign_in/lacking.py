"""What a sign-in that is under way still lacks: for a front end that comes back to it, by a provider's callback or by a reload."""

from dataclasses import dataclass

from app.auth.second_factors import Factor, Stage
from app.auth.transports import Transport
from app.database import Work
from app.exceptions import PendingSignInInvalid
from app.services.second_factors.held import offered_to
from app.services.second_factors.pending import find_pending


@dataclass(frozen=True, slots=True)
class Lacking:
    """What comes next, as the answer said that asked for more."""

    stage: Stage
    factors: tuple[Factor, ...]


async def find_lacking(work: Work, *, token: str | None, transport: Transport) -> Lacking:
    """Return what a sign-in lacks; it costs none of its tries. Raises `PendingSignInInvalid`."""
    for stage in Stage:
        try:
            pending = await find_pending(work, token=token, stage=stage, transport=transport)
        except PendingSignInInvalid:
            continue
        return Lacking(stage, await offered_to(work, pending.attempt) if stage is Stage.SECOND_FACTOR else ())
    raise PendingSignInInvalid
