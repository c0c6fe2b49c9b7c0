"""One's own identities at providers."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, BackgroundTasks, Depends, status

from app.auth.actor import CurrentUser
from app.auth.dependencies import ReaderDep, SignedIn, WorkDep, fresh
from app.config import API_PREFIX
from app.exceptions import LastWayIn, NotFoundError
from app.problems import problem_responses
from app.routers.errands import PartyDep
from app.schemas.federation import IdentityListResponse
from app.services.federation import identities
from app.services.federation.revocation import revoke_kept

router = APIRouter(prefix=f"{API_PREFIX}/auth/me/identities", tags=["providers"])


@router.get("")
async def list_identities(user: SignedIn, read: ReaderDep, party: PartyDep) -> IdentityListResponse:
    """List the identities that sign in to your account."""
    return IdentityListResponse.of(await identities.list_identities(read, user=user), party.names)


@router.delete(
    "/{identity_id}", status_code=status.HTTP_204_NO_CONTENT, responses=problem_responses(NotFoundError, LastWayIn)
)
async def unlink(
    identity_id: UUID,
    user: Annotated[CurrentUser, Depends(fresh(minutes=10))],
    work: WorkDep,
    party: PartyDep,
    after: BackgroundTasks,
) -> None:
    """Remove an identity from your account. Every other session of yours ends. The last way in stays."""
    gone = await identities.unlink(
        work, user=user, identity_id=identity_id, issuers=party.names, seals=party.token_seals
    )
    if gone.token is not None:  # Only after the commit: a refusal must not cost the user a consent.
        after.add_task(revoke_kept, party, issuer=gone.issuer, token=gone.token)
