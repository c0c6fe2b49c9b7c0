"""Proving the address of an account, and being invited to make one."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from app.schemas.base import Email, FullName, Password, RequestModel, ResponseModel
from app.schemas.recovery import FromMailRequest


class ConfirmAddressRequest(FromMailRequest):
    """What came out of the mail, and a password where it is needed."""

    password: Password | None = Field(
        None,
        description="The password that the account is to have from now on. Left out, the one that it has stays if this is "
        "the browser that registered it; otherwise the account has none, until its owner resets it.",
    )


class ConfirmedAddressResponse(ResponseModel):
    """The address is proved. Sign in as usual."""

    email: str
    has_password: bool = Field(description="false: choose one by /auth/password/forgot, or sign in another way.")


class InvitationRequest(RequestModel):
    """Who is to be invited, and to what."""

    email: Email
    role: str = Field("user", max_length=40, pattern=r"^[a-z][a-z0-9_-]*$", description="Not above your own.")


class InvitationResponse(ResponseModel):
    """An invitation that nobody has accepted yet."""

    id: UUID
    email: str
    role: str
    invited_by: UUID | None
    created_at: datetime
    expires_at: datetime


class InvitationListResponse(ResponseModel):
    """The newest 200."""

    items: list[InvitationResponse]


class AcceptInvitationRequest(RequestModel):
    """The link of the mail, and what the account is to be."""

    token: str = Field(max_length=200, description="What stands behind `#token=` in the link.")
    password: Password
    full_name: FullName | None = None
