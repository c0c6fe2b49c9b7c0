"""The page behind the first-administrator link."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse
from pydantic import Field, field_validator

from app.auth.dependencies import HashingDep, PlainForm, Public, SettingsDep, WorkDep
from app.auth.limited import Limited
from app.pages.rendering import PageRoute, page
from app.schemas.base import Email, FullName, Password, RequestModel
from app.services import first_administrator
from app.services.accounts import NewAccount

router = APIRouter(route_class=PageRoute, include_in_schema=False, dependencies=[Public])


class SetupForm(RequestModel):
    """What the page sends."""

    code: str = Field(max_length=80)
    email: Email
    password: Password
    full_name: FullName | None = None

    @field_validator("full_name", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return value or None


@router.get("/setup")
async def show_setup(request: Request, settings: SettingsDep) -> HTMLResponse:
    """Show the form. Looking at it spends nothing."""
    return page(
        request, "setup.html", title="Set up the first administrator", minimum_length=settings.PASSWORD_MIN_LENGTH
    )


@router.post("/setup", dependencies=[PlainForm, Limited("set-up")])
async def set_up(
    request: Request, form: Annotated[SetupForm, Form()], work: WorkDep, hashing: HashingDep, settings: SettingsDep
) -> HTMLResponse:
    """Make the first administrator and spend the code."""
    account = NewAccount(email=form.email, password=form.password, full_name=form.full_name)
    user = await first_administrator.set_up(work, hashing, code=form.code, account=account)
    return page(request, "setup_done.html", title="Done", email=user.email, docs_enabled=settings.docs_enabled)
