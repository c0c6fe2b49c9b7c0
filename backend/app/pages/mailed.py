"""The pages behind the links of our mails. Looking at one changes nothing: what its button sends does.

The token of a link stands in the fragment, so that no server log, no proxy and no program that only fetches links sees it.
The script of the page puts it into the form when a person presses the button. Without scripts people type the code of the
same mail, or paste the link where a mail has no code.
"""

from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse
from pydantic import Field, field_validator

from app.auth.credentials import check_same_site, session_cookie
from app.auth.dependencies import (
    HashingDep,
    PlainForm,
    PreferredLocaleDep,
    Public,
    SettingsDep,
    SignedIn,
    WorkDep,
    get_handover,
    get_runtime,
    get_sign_in_context,
)
from app.auth.limited import Limited
from app.auth.mailed_flow import begin_flow, find_flow, take_flow
from app.auth.sign_up_browser import KnownSignUpBrowserDep
from app.auth.transports import Transport
from app.exceptions import NotFoundError
from app.mail.links import MailPage
from app.pages.done import done_page
from app.pages.rendering import PageRoute, page, render_refusals
from app.pages.second_factor import ask_instead
from app.schemas.base import Email, FullName, Password, RequestModel
from app.services.mailed.address import confirm_change
from app.services.mailed.invitations import Acceptance, accept
from app.services.mailed.reset import FromMail, request_reset, reset_password
from app.services.mailed.sign_in import request_code, sign_in_with_mail
from app.services.mailed.undo import undo, veto
from app.services.mailed.verification import Confirming, confirm_address, resend_verification

VERIFY_MAIL, SIGN_IN_MAIL = f"{MailPage.VERIFY}/mail", f"{MailPage.SIGN_IN}/mail"
"""Where pages ask for the mails that lead to them."""


@dataclass(frozen=True)
class Errand:
    """What a page of a mail is for, in its own words."""

    page: MailPage
    title: str
    done: str
    """What is said once it is done."""
    lead: str = ""
    button: str = ""
    has_code: bool = True
    """Whether its mail holds a code as well."""
    password: str = ""
    """The name of the field for a password to be chosen."""
    names: bool = False
    """Whether it asks for a name."""
    ask: str = ""
    """Where its mail can be asked for."""
    ask_lead: str = ""
    asks_first: bool = False
    hint: str = ""
    """What is said below the field for the address."""


ERRANDS = {
    errand.page: errand
    for errand in (
        Errand(
            MailPage.VERIFY,
            "Confirm your address",
            lead="The button confirms that the mail came to your own address.",
            button="Confirm address",
            ask=VERIFY_MAIL,
            done="Your address is confirmed. You can sign in now.",
        ),
        Errand(
            MailPage.FORGOT,
            "Forgot your password?",
            ask=MailPage.FORGOT,
            ask_lead="Write the address of your account. A mail to it lets you choose a new password.",
            asks_first=True,
            done="",
        ),
        Errand(
            MailPage.RESET,
            "Choose a new password",
            lead="It ends every session of yours, on every device. Then you sign in with the new password.",
            button="Set password",
            password="new_password",  # noqa: S106  # The name of a field.
            ask=MailPage.FORGOT,
            done="Your password is changed, and every session has ended. Sign in with the new one.",
        ),
        Errand(
            MailPage.CHANGE,
            "Confirm your new address",
            lead="It is for the account that this browser is signed in to. From then on you sign in with this address, and mail "
            "comes to it.",
            button="Use this address",
            done="Your account has the new address.",
        ),
        Errand(
            MailPage.VETO,
            "Keep your address?",
            lead="The address of your account is about to change, or has just changed. If that was not you, the button gives "
            "the account back to you: with the address of before, every session ended, and a mail to choose a new password.",
            button="Keep my address",
            has_code=False,
            done="Your account keeps its address, and every session has ended. A mail to it lets you choose a new password.",
        ),
        Errand(
            MailPage.UNDO,
            "Was this not you?",
            lead="The button gives the account back to you as it was when the mail was written: what was added since is gone, "
            "every session ends, and the password counts no more. A mail lets you choose a new one.",
            button="Undo it",
            has_code=False,
            done="It is undone, and every session has ended. A mail to your address lets you choose a new password.",
        ),
        Errand(
            MailPage.SIGN_IN,
            "Sign in",
            lead="The button signs you in, in this browser.",
            button="Sign in",
            ask=SIGN_IN_MAIL,
            ask_lead="Write the address of your account. A mail to it signs you in: by its link in this browser, or by its code.",
            asks_first=True,
            done="You are signed in, in this browser.",
        ),
        Errand(
            MailPage.INVITATION,
            "Make your account",
            lead="You were invited to make an account. It gets the address that the mail came to.",
            button="Make account",
            has_code=False,
            password="password",  # noqa: S106  # The name of a field.
            names=True,
            done="Your account is made, and its address is confirmed. You can sign in now.",
        ),
    )
}


ELSEWHERE = replace(
    ERRANDS[MailPage.VERIFY],
    lead="The button confirms that the mail came to your own address. This browser is not known as the one that "
    "registered it, so choose the password that counts from now on: nobody else can have set it then.",
    password="password",  # noqa: S106  # The name of a field.
)
"""To confirm an address in a browser that is not known to have registered it: what was set up there does not stay."""
NOT_ASKED_HERE = replace(
    ERRANDS[MailPage.SIGN_IN],
    button="",
    hint="You have such a mail already? It signs in only the browser or app that asked for it, for ten minutes: open its link "
    "there, or type its code there.",
)
"""To sign in, in a browser that has not asked for a mail lately: neither link nor code would count here."""
NO_PASSWORD = "Your address is confirmed. The account has no password that counts: choose one now."  # A text.


NOT_SIGNED_IN = (
    "This browser is not signed in here. Open the app or page where you asked for the new address, and type the code of the "
    "mail there. If you did not ask for it, do nothing: the address is not used then."
)


class ProofForm(RequestModel):
    """What a page sends: the token of a link, or what was typed instead."""

    token: str = Field("", max_length=200)
    link: str = Field("", max_length=600)
    email: Email = ""
    code: str = Field("", max_length=40)

    @property
    def linked(self) -> str:
        """The token of the link, by script or by paste; empty without one."""
        return self.token or self.link.strip().rpartition("#token=")[2]

    @property
    def brought(self) -> FromMail:
        """What somebody brings out of their mail."""
        return FromMail(token=self.linked or None, email=self.email, code=self.code)


class ResetForm(ProofForm):
    """The same with the password to be."""

    new_password: Password


class VerifyForm(ProofForm):
    """The same with the password to be, which the browser that registered leaves out."""

    password: Password = ""


class InvitationForm(ProofForm):
    """The same with what an account needs."""

    password: Password
    full_name: FullName | None = None

    @field_validator("full_name", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return value or None


class AskForm(RequestModel):
    """Who wants a mail."""

    email: Email


async def check_own_page(request: Request) -> None:
    """Raise `CrossSiteRequest` for a form that no page of ours has sent."""
    check_same_site(request, get_runtime(request).settings)


_FORM = [PlainForm, Depends(check_own_page)]
_OWN = [Public, *_FORM]
_CODE = Limited("mailed-code", account="email")
_LINK = Limited("mailed-link")

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/mail/{name}", dependencies=[Public])
async def show(request: Request, name: str, settings: SettingsDep, browser: KnownSignUpBrowserDep) -> HTMLResponse:
    """Show what a link is about to do. Looking at it spends nothing."""
    errand = ERRANDS.get(f"/mail/{name}")  # type: ignore[call-overload]  # The keys are texts.
    if errand is None:
        raise NotFoundError("Page")
    if errand.page is MailPage.SIGN_IN and settings.MAIL_SIGN_IN == "off":
        return done_page(request, errand.title, "Sign in where you use this account.")
    if errand.page is MailPage.CHANGE and session_cookie.find(request) is None:
        return done_page(request, errand.title, NOT_SIGNED_IN)
    if errand.page is MailPage.SIGN_IN and find_flow(request) is None:
        return _show(request, NOT_ASKED_HERE)
    return _show(request, ELSEWHERE if errand.page is MailPage.VERIFY and browser is None else errand)


@router.post(MailPage.VERIFY, dependencies=[*_OWN, _CODE])
async def verify(
    request: Request,
    form: Annotated[VerifyForm, Form()],
    work: WorkDep,
    hashing: HashingDep,
    browser: KnownSignUpBrowserDep,
) -> HTMLResponse:
    """Confirm the address of an account."""
    shown = Confirming(browser=browser, password=form.password or None)
    user = await confirm_address(work, hashing, brought=form.brought, shown=shown)
    if user.password_hash is None:
        return done_page(request, "Done", NO_PASSWORD, way_on=MailPage.FORGOT)
    return _done_with(request, MailPage.VERIFY)


@router.post(VERIFY_MAIL, dependencies=[*_OWN, Limited("send-verification", account="email")])
async def mail_verification(
    request: Request, form: Annotated[AskForm, Form()], work: WorkDep, browser: KnownSignUpBrowserDep
) -> HTMLResponse:
    """Mail once more what confirms an address."""
    await resend_verification(work, email=form.email)
    return _show(request, ELSEWHERE if browser is None else ERRANDS[MailPage.VERIFY], asked_for=form.email)


@router.post(MailPage.FORGOT, dependencies=[*_OWN, Limited("send-reset", account="email")])
async def forgot(request: Request, form: Annotated[AskForm, Form()], work: WorkDep) -> HTMLResponse:
    """Mail what chooses a new password."""
    await request_reset(work, email=form.email)
    return _show(request, ERRANDS[MailPage.RESET], asked_for=form.email)


@router.post(MailPage.RESET, dependencies=[*_OWN, _CODE])
async def reset(
    request: Request, form: Annotated[ResetForm, Form()], work: WorkDep, hashing: HashingDep
) -> HTMLResponse:
    """Choose a new password."""
    await reset_password(work, hashing, brought=form.brought, new=form.new_password)
    return _done_with(request, MailPage.RESET)


@router.post(MailPage.CHANGE, dependencies=[*_FORM, _CODE])
async def change(request: Request, form: Annotated[ProofForm, Form()], user: SignedIn, work: WorkDep) -> HTMLResponse:
    """Give the account that this browser is signed in to its new address."""
    response = _done_with(request, MailPage.CHANGE)
    devices = await confirm_change(work, user=user, brought=form.brought)
    (await get_handover(request, response)).keep_device(user, devices)
    return response


@router.post(MailPage.VETO, dependencies=[*_OWN, _LINK])
async def veto_change(request: Request, form: Annotated[ProofForm, Form()], work: WorkDep) -> HTMLResponse:
    """Stop a change of address, or undo it."""
    await veto(work, token=form.linked)
    return _done_with(request, MailPage.VETO)


@router.post(MailPage.UNDO, dependencies=[*_OWN, _LINK])
async def undo_change(request: Request, form: Annotated[ProofForm, Form()], work: WorkDep) -> HTMLResponse:
    """Undo what a security notice tells of."""
    await undo(work, token=form.linked)
    return _done_with(request, MailPage.UNDO)


@router.post(MailPage.INVITATION, dependencies=[*_OWN, _LINK])
async def accept_invitation(
    request: Request,
    form: Annotated[InvitationForm, Form()],
    work: WorkDep,
    hashing: HashingDep,
    locale: PreferredLocaleDep,
) -> HTMLResponse:
    """Make the account that somebody was invited to."""
    acceptance = Acceptance(token=form.linked, password=form.password, full_name=form.full_name, locale=locale)
    await accept(work, hashing, acceptance=acceptance)
    return _done_with(request, MailPage.INVITATION)


sign_in_router = APIRouter(route_class=PageRoute, include_in_schema=False)
"""What is served where MAIL_SIGN_IN is on."""


@sign_in_router.post(SIGN_IN_MAIL, dependencies=[*_OWN, Limited("send-code", account="email")])
async def mail_sign_in(request: Request, form: Annotated[AskForm, Form()], work: WorkDep) -> HTMLResponse:
    """Mail what signs in, in this browser."""
    response = _show(request, ERRANDS[MailPage.SIGN_IN], asked_for=form.email)
    flow = begin_flow(request, response, Transport.COOKIE)
    await request_code(work, email=form.email, flow=flow.secret, with_link=True)
    return response


@sign_in_router.post(MailPage.SIGN_IN, dependencies=[*_OWN, _CODE])
async def sign_in(request: Request, form: Annotated[ProofForm, Form()], work: WorkDep) -> HTMLResponse:
    """Sign this browser in."""
    render_refusals(request, ask_instead)
    response = _done_with(request, MailPage.SIGN_IN)
    context = await get_sign_in_context(request, Transport.COOKIE)
    issued = await sign_in_with_mail(work, context, brought=form.brought, flow=take_flow(request, response))
    await (await get_handover(request, response)).begin(issued)
    return response


def _show(request: Request, errand: Errand, *, asked_for: str = "") -> HTMLResponse:
    """Return the page of an errand; after its mail was asked for, with the address that was typed."""
    return page(
        request,
        "mailed.html",
        title=errand.title,
        errand=errand,
        email=asked_for,
        asked=bool(asked_for),
        minimum_length=get_runtime(request).settings.PASSWORD_MIN_LENGTH,
    )


def _done_with(request: Request, name: MailPage) -> HTMLResponse:
    return done_page(request, "Done", ERRANDS[name].done)
