"""Accounts as others see them."""

from datetime import datetime
from uuid import UUID

from pydantic import AliasChoices, Field

from app.schemas.base import RequestModel, ResponseModel


class UserResponse(ResponseModel):
    """An account, as its owner and administrators see it."""

    id: UUID
    email: str
    email_verified: bool = Field(description="Whether somebody has proved that the address is theirs.")
    full_name: str | None
    locale: str | None = Field(description="The language of mail to it; null: the one of the installation.")
    is_active: bool
    role: str = Field(validation_alias=AliasChoices("role", "role_name"), examples=["user"])
    created_at: datetime


class UserListResponse(ResponseModel):
    """A page of accounts."""

    items: list[UserResponse]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")


class UpdateUserRequest(RequestModel):
    """What an administrator may change of an account. A field that is left out stays as it is."""

    is_active: bool | None = Field(None, strict=True, description="false disables the account and ends its sessions.")
    role: str | None = Field(None, max_length=40, pattern=r"^[a-z][a-z0-9_-]*$", examples=["admin"])
