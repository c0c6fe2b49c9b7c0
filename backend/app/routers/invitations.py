"""Invitations to make an account: sent by those who may invite, accepted by whoever reads the mail."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, status

from app.auth.actor import CurrentUser
from app.auth.dependencies import HashingDep, PreferredLocaleDep, Public, ReaderDep, WorkDep, require
from app.auth.limited import Limited
from app.config import API_PREFIX
from app.exceptions import EmailTaken, HashingBusy, InvitationOpen, MailedProofInvalid, NotFoundError, SignUpClosed
from app.problems import problem_responses
from app.schemas.recovery import MailedResponse
from app.schemas.users import UserResponse
from app.schemas.verification import (
    AcceptInvitationRequest,
    InvitationListResponse,
    InvitationRequest,
    InvitationResponse,
)
from app.services.mailed import invitations
from app.services.mailed.invitations import Acceptance

router = APIRouter(prefix=f"{API_PREFIX}/invitations", tags=["invitations"])

Inviter = Annotated[CurrentUser, Depends(require(invitations.INVITE))]


@router.post(
    "/",
    status_code=status.HTTP_202_ACCEPTED,
    dependencies=[Limited("invite")],
    responses=problem_responses(InvitationOpen, SignUpClosed),
)
async def invite(body: InvitationRequest, user: Inviter, work: WorkDep) -> MailedResponse:
    """Invite somebody by mail. Whoever has an account is told so by that mail, and you are not.

    An invitation of yours that the address had counts no more. One of somebody else's, or to a higher role, counts on: take
    it back first.
    """
    await invitations.invite(work, actor=user, email=body.email, role=body.role)
    return MailedResponse(expires_in=int(invitations.VALID_FOR.total_seconds()))


@router.get("/", dependencies=[Depends(require(invitations.INVITE))])
async def list_invitations(read: ReaderDep) -> InvitationListResponse:
    """List the invitations that nobody has accepted yet, the newest first."""
    found = await invitations.list_invitations(read, now=datetime.now(UTC))
    return InvitationListResponse(items=[InvitationResponse.model_validate(each) for each in found])


@router.delete("/{invitation_id}", status_code=status.HTTP_204_NO_CONTENT, responses=problem_responses(NotFoundError))
async def revoke(invitation_id: UUID, user: Inviter, work: WorkDep) -> None:
    """Take an invitation back. Its link is worth nothing from now on."""
    await invitations.revoke(work, actor=user, invitation_id=invitation_id)


@router.post(
    "/accept",
    status_code=status.HTTP_201_CREATED,
    dependencies=[Public, Limited("mailed-link")],
    responses=problem_responses(MailedProofInvalid, EmailTaken, SignUpClosed, HashingBusy),
)
async def accept(
    body: AcceptInvitationRequest, work: WorkDep, hashing: HashingDep, locale: PreferredLocaleDep
) -> UserResponse:
    """Make the account that you were invited to, with the link of the mail. Its address is proved by that."""
    acceptance = Acceptance(token=body.token, password=body.password, full_name=body.full_name, locale=locale)
    return UserResponse.model_validate(await invitations.accept(work, hashing, acceptance=acceptance))
