"""The second factors of one's own account, and what an administrator does about somebody else's."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, status

from app.auth.actor import CurrentUser
from app.auth.dependencies import HandoverDep, ReaderDep, SettingsDep, SignedIn, WorkDep, fresh, require
from app.auth.limited import Limited
from app.auth.second_factors import REQUIRED
from app.config import API_PREFIX
from app.exceptions import EnrolmentNotBegun, NotFoundError, PermissionDenied, SecondFactorNeeded, SecondFactorWrong
from app.problems import problem_responses
from app.schemas.second_factors import (
    AppAddedResponse,
    ConfirmTotpRequest,
    FactorsResponse,
    PasskeyResponse,
    RecoveryCodesResponse,
    RememberedDeviceResponse,
    ResetFactorsRequest,
    TotpOfferResponse,
    TotpResponse,
)
from app.services.second_factors import devices, own
from app.services.second_factors.gate import policy_for
from app.services.second_factors.reset import RESET_FACTORS, reset_factors

router = APIRouter(prefix=f"{API_PREFIX}/auth/me", tags=["second factors"])
users_router = APIRouter(prefix=f"{API_PREFIX}/users", tags=["users"])
Freshly = Annotated[CurrentUser, Depends(fresh(minutes=10))]
_KEPT = "/remembered-devices"


@router.get("/factors")
async def read_factors(user: SignedIn, read: ReaderDep, settings: SettingsDep) -> FactorsResponse:
    """Return your second factors, how many recovery codes are left, and which browsers are not asked."""
    found = await own.read_factors(read, user=user)
    kept = await devices.list_devices(read, user=user, now=datetime.now(UTC))
    return FactorsResponse(
        required=policy_for(settings, user.role) == REQUIRED,
        totp=TotpResponse.model_validate(found.totp) if found.totp else None,
        passkeys=[PasskeyResponse.model_validate(each) for each in found.passkeys],
        recovery_codes_left=found.recovery_codes_left,
        remembered_devices=[RememberedDeviceResponse.model_validate(each) for each in kept],
    )


@router.post("/totp")
async def offer_app(user: Freshly, work: WorkDep) -> TotpOfferResponse:
    """Begin to add an authenticator app, or to replace yours, which counts until the new one is confirmed."""
    return TotpOfferResponse.of(await own.begin_own_app(work, user=user))


@router.post(
    "/totp/confirm",
    dependencies=[Limited("factor-again")],
    responses=problem_responses(EnrolmentNotBegun, SecondFactorWrong),
)
async def confirm_app(
    body: ConfirmTotpRequest, user: Freshly, work: WorkDep, handover: HandoverDep
) -> AppAddedResponse:
    """Show a code of the app: from now on it is asked for. The first factor of an account brings recovery codes."""
    replacement = handover.cookie_replacement(user)
    made = await own.confirm_own_app(work, user=user, code=body.code, replacement=replacement)
    codes = made.added.recovery_codes
    return AppAddedResponse(recovery_codes=list(codes) if codes else None, session=await handover.renew(made.renewed))


@router.delete(
    "/totp",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problem_responses(NotFoundError, SecondFactorNeeded),
)
async def remove_app(user: Freshly, work: WorkDep) -> None:
    """Remove your authenticator app. With your last second factor, the recovery codes go as well."""
    await own.remove_own_app(work, user=user)


@router.post("/recovery-codes", responses=problem_responses(NotFoundError))
async def renew_codes(user: Freshly, work: WorkDep) -> RecoveryCodesResponse:
    """Make a new set of recovery codes, shown this once. The ones before are worthless."""
    return RecoveryCodesResponse(recovery_codes=list(await own.renew_own_codes(work, user=user)))


@router.delete(_KEPT, status_code=status.HTTP_204_NO_CONTENT)
async def forget_devices(user: SignedIn, work: WorkDep) -> None:
    """Have every browser of yours asked for a second factor again."""
    await devices.forget_devices(work, user=user)


@router.delete(
    _KEPT + "/{device_id}", status_code=status.HTTP_204_NO_CONTENT, responses=problem_responses(NotFoundError)
)
async def forget_device(device_id: UUID, user: SignedIn, work: WorkDep) -> None:
    """Have one browser of yours asked for a second factor again."""
    await devices.forget_device(work, user=user, device_id=device_id)


@users_router.post(
    "/{user_id}/factors/reset",
    status_code=status.HTTP_204_NO_CONTENT,
    dependencies=[Depends(fresh(minutes=10))],
    responses=problem_responses(NotFoundError, PermissionDenied),
)
async def reset(
    user_id: UUID,
    body: ResetFactorsRequest,
    user: Annotated[CurrentUser, Depends(require(RESET_FACTORS))],
    work: WorkDep,
) -> None:
    """Take the second factors from somebody who has lost them. They are told by mail, and get another one at their next sign-in."""
    await reset_factors(work, actor=user, user_id=user_id, reason=body.reason)
