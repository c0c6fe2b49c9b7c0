"""Passkeys: signing in with one, and those of one's own account."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, status

from app.auth.actor import CurrentUser
from app.auth.dependencies import HandoverDep, Public, ReaderDep, SignedIn, SignInContextDep, WorkDep, fresh
from app.auth.limited import Limited
from app.config import API_PREFIX
from app.exceptions import (
    CrossSiteRequest,
    InvalidCredentials,
    InvalidRequest,
    LastWayIn,
    NotFoundError,
    PasskeyRefused,
    SecondFactorNeeded,
    SecondFactorRequired,
    TooManyPasskeys,
)
from app.problems import problem_responses
from app.routers.errands import PartyDep
from app.schemas.auth import CookieSessionResponse, TokenResponse
from app.schemas.second_factors import (
    AddPasskeyRequest,
    CeremonyResponse,
    PasskeyAddedResponse,
    PasskeyResponse,
    PasskeySignInRequest,
    RenamePasskeyRequest,
)
from app.services.passkeys.ceremonies import ask_for_any
from app.services.passkeys.proof import Brought
from app.services.passkeys.registration import add_passkey, begin_registration
from app.services.second_factors import own
from app.services.sign_in.again import renew_with_factor
from app.services.sign_in.passkey import sign_in_with_passkey

router = APIRouter(prefix=f"{API_PREFIX}/auth", tags=["passkeys"])
Freshly = Annotated[CurrentUser, Depends(fresh(minutes=10))]


@router.post("/passkey/options", dependencies=[Public, Limited("passkey-options")])
async def sign_in_options(work: WorkDep) -> CeremonyResponse:
    """Return what the browser is asked for, so that somebody signs in with a passkey: the same for everybody.

    For passkeys in the list of a form field (`mediation: "conditional"`) ask anew once five minutes have passed.
    """
    return CeremonyResponse.of(ask_for_any(work))


@router.post(
    "/passkey",
    dependencies=[Public, Limited("passkey")],
    responses=problem_responses(
        PasskeyRefused, InvalidCredentials, SecondFactorRequired, InvalidRequest, CrossSiteRequest
    ),
)
async def sign_in(
    body: PasskeySignInRequest, work: WorkDep, context: SignInContextDep, handover: HandoverDep
) -> TokenResponse | CookieSessionResponse:
    """Sign in with a passkey. One that verified its user (PIN, fingerprint, face) needs no second factor."""
    brought = Brought(body.ceremony, body.credential)
    return await handover.begin(await sign_in_with_passkey(work, context, brought=brought))


@router.get("/me/passkeys")
async def list_own(user: SignedIn, read: ReaderDep) -> list[PasskeyResponse]:
    """Return your passkeys, the oldest first."""
    return [PasskeyResponse.model_validate(each) for each in await own.list_passkeys(read, user=user)]


@router.post("/me/passkeys/options", responses=problem_responses(TooManyPasskeys))
async def add_options(user: Freshly, work: WorkDep) -> CeremonyResponse:
    """Return what the browser is asked for, so that it makes a passkey for this account."""
    return CeremonyResponse.of(await begin_registration(work, user=user))


@router.post(
    "/me/passkeys",
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(PasskeyRefused, TooManyPasskeys),
)
async def add(body: AddPasskeyRequest, user: Freshly, work: WorkDep, handover: HandoverDep) -> PasskeyAddedResponse:
    """Add the passkey that the browser has made. From now on it is a second factor of the account as well.

    The first factor of an account brings recovery codes, shown this once.
    """
    brought = Brought(body.ceremony, body.credential)
    made = await add_passkey(work, user=user, name=body.name, brought=brought)
    replacement = handover.cookie_replacement(user)
    renewed = await renew_with_factor(work, user=user, methods=made.methods, replacement=replacement)
    codes = made.added.recovery_codes
    return PasskeyAddedResponse(
        passkey=PasskeyResponse.model_validate(made.passkey),
        recovery_codes=list(codes) if codes else None,
        session=await handover.renew(renewed),
    )


@router.patch("/me/passkeys/{passkey_id}", responses=problem_responses(NotFoundError))
async def rename(passkey_id: UUID, body: RenamePasskeyRequest, user: SignedIn, work: WorkDep) -> PasskeyResponse:
    """Give a passkey of yours another name."""
    found = await own.rename_passkey(work, user=user, passkey_id=passkey_id, name=body.name)
    return PasskeyResponse.model_validate(found)


@router.delete(
    "/me/passkeys/{passkey_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problem_responses(NotFoundError, LastWayIn, SecondFactorNeeded),
)
async def remove(passkey_id: UUID, user: Freshly, work: WorkDep, party: PartyDep) -> None:
    """Remove a passkey of yours. Every other session of yours ends."""
    await own.remove_passkey(work, user=user, passkey_id=passkey_id, issuers=list(party.names))
