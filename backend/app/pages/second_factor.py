"""The pages that go on with a sign-in by mail, where the account has a second factor, or has to get one: without scripts."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import Field

from app.auth.credentials import check_same_site, find_pending_cookie
from app.auth.dependencies import (
    HashingDep,
    PlainForm,
    Public,
    WorkDep,
    get_handover,
    get_runtime,
    get_sign_in_context,
)
from app.auth.limited import Limited
from app.auth.second_factor_cookies import pending_cookie_header
from app.auth.second_factors import Factor, Stage
from app.auth.totp import DIGITS
from app.auth.transports import Transport
from app.exceptions import (
    AppException,
    EnrolmentNotBegun,
    PendingSignInInvalid,
    RateLimited,
    SecondFactorRequired,
    SecondFactorWrong,
)
from app.mail.links import MailPage
from app.pages.done import done_page, front_end
from app.pages.rendering import PageRoute, page, problem_page, render_refusals
from app.schemas.base import RequestModel
from app.services.second_factors.proofs import CodeAnswer
from app.services.sessions.issue import Issued, IssuedCookie
from app.services.sign_in.lacking import Lacking, find_lacking
from app.services.sign_in.second_factor import Finish, enrol_app, finish_sign_in, offer_app

PAGE = f"{MailPage.SIGN_IN}/second-factor"
APP, CONFIRM = f"{PAGE}/app", f"{PAGE}/app/confirm"
"""Where somebody who has to have a second factor gets an authenticator app, and shows a code of it."""
_TITLE = "One more step"
_LONGEST_IN_SECONDS = 120
_WRONG = "This code is not right, or has been used."


class SecondFactorForm(RequestModel):
    """A code, whichever it is."""

    code: str = Field(max_length=60)

    @property
    def typed(self) -> str:
        """The code without the spaces that apps show between its digits."""
        return "".join(self.code.split())

    @property
    def answer(self) -> CodeAnswer:
        """Six digits are the app's; anything else is read as a recovery code."""
        is_app = len(self.typed) == DIGITS and self.typed.isdecimal()
        return CodeAnswer(Factor.TOTP, self.typed) if is_app else CodeAnswer(Factor.RECOVERY_CODE, self.code)


def ask_instead(request: Request, error: AppException) -> Response:
    """Ask for what a sign-in lacks; any other refusal is shown as ever."""
    if not isinstance(error, SecondFactorRequired):
        return problem_page(request, error)
    offered = error.members["factors"]
    factors = tuple(Factor(each) for each in offered) if isinstance(offered, list) else ()
    return _shown(error, _ask(request, Lacking(Stage(str(error.members["stage"])), factors)))


def ask_again(request: Request, error: AppException, *, lacking: Lacking | None = None) -> Response:
    """Show a refusal together with the way on: the same form once more, or the beginning."""
    if isinstance(error, PendingSignInInvalid):
        over = "This sign-in is over: it was finished, took too long, or was tried too often."
        return _shown(error, _lead_on(request, over, MailPage.SIGN_IN, "Begin again"))
    if isinstance(error, RateLimited):
        wait = f"Too many tries. Wait {_in_words(int(error.headers['Retry-After']))}, and try again then."
        shown = _lead_on(request, wait, PAGE, "Go on") if lacking is None else _ask(request, lacking, wait)
        return _shown(error, shown)
    if isinstance(error, SecondFactorWrong) and lacking is not None:
        # The app that was offered is still the one to be confirmed.
        is_offered = lacking.stage is Stage.ENROLMENT
        return _shown(error, _ask_for_app(request, _WRONG) if is_offered else _ask(request, lacking, _WRONG))
    if isinstance(error, EnrolmentNotBegun) and lacking is not None:
        return _shown(error, _ask(request, lacking))
    return ask_instead(request, error)


async def show_the_way_on(request: Request) -> None:
    """Have every refusal shown with the way on, also those that come before the form is read."""
    render_refusals(request, ask_again)


async def get_kept(request: Request) -> str | None:
    """Return what this browser keeps of a sign-in. Raises `CrossSiteRequest` for a form that no page of ours has sent."""
    check_same_site(request, get_runtime(request).settings)
    return find_pending_cookie(request)


KeptDep = Annotated[str | None, Depends(get_kept)]


async def get_lacking(request: Request, work: WorkDep, kept: KeptDep) -> Lacking:
    """Return what that sign-in lacks. From then on a refusal is shown beside the form for it. Raises `PendingSignInInvalid`."""
    lacking = await find_lacking(work, token=kept, transport=Transport.COOKIE)
    render_refusals(request, partial(ask_again, lacking=lacking))
    return lacking


_OWN = [Depends(show_the_way_on), Public, Depends(get_kept)]
# A page of somebody else's is refused before it counts as a try, and to look is none: else it could use up the tries of whoever opens it.
_LOOK = [*_OWN, Limited("passkey-options")]
_FORM = [*_OWN, Limited("second-factor"), PlainForm]
_FINISHING = [*_FORM, Depends(get_lacking)]

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get(PAGE, dependencies=_LOOK)
async def show(request: Request, lacking: Annotated[Lacking, Depends(get_lacking)]) -> HTMLResponse:
    """Ask for what the sign-in lacks that this browser keeps. Looking costs none of its tries."""
    return _ask(request, lacking)


@router.post(PAGE, dependencies=_FINISHING)
async def finish(
    request: Request, form: Annotated[SecondFactorForm, Form()], work: WorkDep, hashing: HashingDep, kept: KeptDep
) -> HTMLResponse:
    """Finish the sign-in that this browser keeps."""
    context = await get_sign_in_context(request, Transport.COOKIE)
    finished = await finish_sign_in(work, hashing, context, finish=Finish(kept, form.answer))
    return await _begun(request, done_page(request, "Done", "You are signed in."), finished.issued)


@router.post(APP, dependencies=_FORM)
async def offer(request: Request, work: WorkDep, kept: KeptDep) -> HTMLResponse:
    """Show the secret of an app, where the account has to have a second factor and has none."""
    offered = await offer_app(work, token=kept, transport=Transport.COOKIE)
    image = f"data:image/svg+xml,{quote(offered.qr_svg)}"
    return _ask_for_app(request, offer={"image": image, "secret": offered.secret, "uri": offered.uri})


@router.post(CONFIRM, dependencies=_FINISHING)
async def confirm(
    request: Request, form: Annotated[SecondFactorForm, Form()], work: WorkDep, kept: KeptDep
) -> HTMLResponse:
    """Take a code of the app, and finish the sign-in. The recovery codes are shown this once."""
    context = await get_sign_in_context(request, Transport.COOKIE)
    enrolled = await enrol_app(work, context, token=kept, code=form.typed)
    codes = enrolled.added.recovery_codes or ()
    done = page(request, "second_factor_codes.html", title="Done", codes=codes, way_on=front_end(request))
    return await _begun(request, done, enrolled.issued)


async def _begun(request: Request, done: HTMLResponse, issued: Issued | IssuedCookie) -> HTMLResponse:
    """Hand the session out with the page that says so; what was kept of the sign-in goes."""
    await (await get_handover(request, done)).begin(issued)
    done.headers.append("Set-Cookie", pending_cookie_header("", max_age=0))
    return done


def _ask(request: Request, lacking: Lacking, wrong: str = "") -> HTMLResponse:
    """Return the form for what a sign-in lacks. A passkey needs a page with scripts of its own: the front end's."""
    if lacking.stage is Stage.ENROLMENT:
        return page(request, "second_factor_enrol.html", title=_TITLE, action=APP, wrong=wrong)
    return page(
        request,
        "second_factor.html",
        title=_TITLE,
        action=PAGE,
        wrong=wrong,
        has_app=Factor.TOTP in lacking.factors,
        has_codes=Factor.RECOVERY_CODE in lacking.factors,
        has_passkey=Factor.PASSKEY in lacking.factors,
        front_end=front_end(request),
        beginning=MailPage.SIGN_IN,
    )


def _ask_for_app(request: Request, wrong: str = "", *, offer: Mapping[str, str] | None = None) -> HTMLResponse:
    """Return the form for a code of the new app; with its secret where that is shown, which is once."""
    return page(
        request,
        "second_factor_app.html",
        title="Add an authenticator app",
        action=CONFIRM,
        anew=APP,
        wrong=wrong,
        offer=offer,
        beginning=MailPage.SIGN_IN,
    )


def _lead_on(request: Request, text: str, way_on: str, button: str) -> HTMLResponse:
    return page(request, "second_factor_way_on.html", title=_TITLE, text=text, way_on=way_on, button=button)


def _shown(error: AppException, response: HTMLResponse) -> HTMLResponse:
    """Return a page as the answer to a refusal: it looks like a form, and is none of success."""
    response.status_code = error.status_code
    response.headers.update(error.headers)
    return response


def _in_words(seconds: int) -> str:
    """Return a time to wait, for people: never too short."""
    number, unit = (seconds, "second") if seconds <= _LONGEST_IN_SECONDS else (-(-seconds // 60), "minute")
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
