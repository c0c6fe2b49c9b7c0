"""What a route asks for in its signature: who may call it, the unit of work, the tools of this process.

Every route states who may call it: `SignedIn`, `require("a:permission")`, `fresh(minutes=…)` or `public`. An application with a route
that states nothing does not start.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, NoReturn

import structlog
from fastapi import Depends, Query, Request, Response

from app.auth.actor import CurrentUser
from app.auth.assurance import FEDERATED, MAILED_CODE, PASSWORD
from app.auth.credentials import (
    EXPIRED_COOKIE,
    bearer_token,
    check_keeps_cookie,
    check_same_site,
    find_device_cookie,
    find_remembered_cookie,
    session_cookie,
)
from app.auth.handover import Handover
from app.auth.passwords.pool import HashingPool
from app.auth.second_factors import OFF, Factor
from app.auth.transports import Transport
from app.config import Settings
from app.database import Client, Reader, Work
from app.exceptions import (
    AppException,
    CrossSiteRequest,
    DatabaseUnavailable,
    InsufficientUserAuthentication,
    InvalidRequest,
    NotAuthenticated,
    PermissionDenied,
    ProviderConsentRequired,
    ProviderFailed,
    ProviderUnavailable,
    SessionEnded,
    TokenExpired,
    TokenInvalid,
    UnsupportedMediaType,
)
from app.logs import name_caller
from app.mail.locales import preferred_locale
from app.models import AuditKind
from app.provider_settings import GOOGLE, SCOPE
from app.runtime import Runtime
from app.services import audit
from app.services.callers import Caller
from app.services.sign_in.again import FACTORS
from app.services.sign_in.stages import SignInContext
from app.services.tokens import TokenIssuer

log = structlog.get_logger()


class Guard:
    """A dependency that decides who may call a route. Subclass it for a rule of your own."""

    statement: str
    """The rule in words, as `ostiary routes` prints it."""
    errors: tuple[type[AppException], ...] = ()
    """What it raises, for the API document."""


def get_runtime(request: Request) -> Runtime:
    """Return what this process holds."""
    runtime: Runtime = request.app.state.runtime
    return runtime


class SignedInGuard(Guard):
    """Lets in whoever has a credential whose session lives and whose account is active, at this very moment.

    The credential is an access token or a session cookie; routes need not know which.
    """

    statement = "signed in"
    errors = (NotAuthenticated, TokenInvalid, TokenExpired, SessionEnded, InvalidRequest, CrossSiteRequest)

    async def __call__(
        self,
        request: Request,
        token: Annotated[str | None, Depends(bearer_token)],
        cookie: Annotated[str | None, Depends(session_cookie)],
    ) -> CurrentUser:
        """Return the caller. Raises `TokenInvalid`, `TokenExpired`, `SessionEnded`, or `CrossSiteRequest`."""
        return await self._admit(request, token, cookie)

    async def identify(self, request: Request) -> CurrentUser:
        """Do the same for a request whose credentials nobody has taken out yet."""
        return await self._admit(request, bearer_token.find(request), session_cookie.find(request))

    async def _admit(self, request: Request, token: str | None, cookie: str | None) -> CurrentUser:
        runtime, now = get_runtime(request), datetime.now(UTC)
        if token is not None and cookie is not None:
            raise InvalidRequest("An access token and a session cookie came together; send one of them")
        if cookie is not None:
            check_same_site(request, runtime.settings)
        caller = await _identify(runtime, token, cookie, now)
        name_caller(str(caller.user.id))
        if runtime.uses.is_due(caller, now=now):
            runtime.uses.note(caller, client_of(request))
        return caller.user


async def _identify(runtime: Runtime, token: str | None, cookie: str | None, now: datetime) -> Caller:
    if cookie is not None:
        return await runtime.callers.find_by_cookie(runtime.tokens.read_cookie(cookie), now=now)
    if token is None:
        raise NotAuthenticated
    claims = runtime.tokens.find_read(token, now=now)
    if claims is not None:
        return await runtime.callers.find_by_token(claims, now=now)
    try:
        # Keys may have to be read as well: nobody waits for both together longer than for one statement.
        async with asyncio.timeout(runtime.settings.DATABASE_TIMEOUT_SECONDS):
            claims = await runtime.tokens.read_access(token, now=now)
            return await runtime.callers.find_by_token(claims, now=now)
    except TimeoutError as error:
        raise DatabaseUnavailable from error


class LeavingGuard(SignedInGuard):
    """The same for whoever signs out: a cookie whose session is dead already leaves the browser all the same."""

    async def __call__(
        self,
        request: Request,
        token: Annotated[str | None, Depends(bearer_token)],
        cookie: Annotated[str | None, Depends(session_cookie)],
    ) -> CurrentUser:
        """Return the caller. Raises what every guard does."""
        try:
            return await super().__call__(request, token, cookie)
        except TokenInvalid as error:
            if cookie is not None:
                error.headers["Set-Cookie"] = EXPIRED_COOKIE
            raise


class PublicGuard(Guard):
    """Lets everybody in, and says so."""

    statement = "public"

    async def __call__(self) -> None:
        """Do nothing: the statement is the point."""


get_current_user = SignedInGuard()
SignedIn = Annotated[CurrentUser, Depends(get_current_user)]
"""The signed-in caller: `async def route(user: SignedIn)`."""

Leaving = Annotated[CurrentUser, Depends(LeavingGuard())]

public = PublicGuard()
Public = Depends(public)
"""For a route that everybody may call: `@router.get("/prices", dependencies=[Public])`."""


class PermissionGuard(Guard):
    """Lets in whoever is signed in and whose role carries a permission."""

    def __init__(self, permission: str) -> None:
        self.permission = permission
        self.statement = f"permission {permission}"
        self.errors = (PermissionDenied,)

    async def __call__(self, request: Request, user: SignedIn) -> CurrentUser:
        """Return the caller. Raises `PermissionDenied`."""
        if not user.may(self.permission):
            await self._deny(request, user)
        return user

    async def _deny(self, request: Request, user: CurrentUser) -> NoReturn:
        """Refuse, and leave a trace. The route's own unit of work has not begun, so this holds the only connection."""
        async with get_runtime(request).database.begin(client_of(request)) as work:
            about = audit.About(actor_id=user.id, session_id=user.session_id)
            route = getattr(request.scope.get("route"), "path", None)
            detail = {"permission": self.permission, "method": request.method, "route": route}
            audit.refuse(work, AuditKind.PERMISSION_DENIED, **about, cause=PermissionDenied.code, detail=detail)
            raise PermissionDenied


def require(permission: str) -> PermissionGuard:
    """Return the guard of a permission: `user: Annotated[CurrentUser, Depends(require("orders:read"))]`."""
    return PermissionGuard(permission)


class FreshGuard(Guard):
    """Lets in whoever is signed in and has proved who they are not long ago: with a second factor, where the account has one."""

    def __init__(self, max_age: timedelta) -> None:
        self.max_age = max_age
        self.statement = f"proved within {int(max_age.total_seconds()) // 60} minutes"
        self.errors = (InsufficientUserAuthentication,)

    async def __call__(self, request: Request, user: SignedIn) -> CurrentUser:
        """Return the caller. Raises `InsufficientUserAuthentication`, which says what would do."""
        is_enough = user.is_multi_factor or not user.has_second_factor
        if not is_enough or datetime.now(UTC) - user.authenticated_at > self.max_age:
            log.info("proof.insufficient", authenticated_at=user.authenticated_at.isoformat(), methods=user.methods)
            methods = _ways_to_prove(user, get_runtime(request).settings)
            raise InsufficientUserAuthentication(int(self.max_age.total_seconds()), methods)
        return user


def _ways_to_prove(user: CurrentUser, settings: Settings) -> tuple[str, ...]:
    """Return how somebody can prove anew who they are. Whoever has no password may have no provider either."""
    if user.has_second_factor:
        return FACTORS
    if user.has_password:
        return (PASSWORD,)
    mailed = (MAILED_CODE,) if settings.MAIL_SIGN_IN == "on" else ()
    # Where nobody is asked for a second factor a passkey is none, and proves all the same who somebody is.
    passkey = (Factor.PASSKEY.value,) if settings.SECOND_FACTOR == OFF else ()
    return (FEDERATED, *mailed, *passkey)


class FreshOrPasswordGuard(FreshGuard):
    """Lets in whoever has a password, which the service then asks for; others, and whoever has a second factor, after a fresh proof."""

    def __init__(self, max_age: timedelta) -> None:
        super().__init__(max_age)
        self.statement = f"signed in; without a password, or with a second factor, {self.statement}"

    async def __call__(self, request: Request, user: SignedIn) -> CurrentUser:
        """Return the caller. Raises `InsufficientUserAuthentication`."""
        takes_password = user.has_password and not user.has_second_factor
        return user if takes_password else await super().__call__(request, user)


def fresh(*, minutes: int) -> FreshGuard:
    """Return the guard of a sensitive act: `user: Annotated[CurrentUser, Depends(fresh(minutes=10))]` (RFC 9470)."""
    if minutes < 1:
        raise ValueError("nobody can prove anything within less than a minute")
    return FreshGuard(timedelta(minutes=minutes))


def fresh_or_password(*, minutes: int) -> FreshOrPasswordGuard:
    """Return the guard of an act that takes the password as its proof, and a fresh sign-in where there is none."""
    return FreshOrPasswordGuard(timedelta(minutes=minutes))


class GoogleTokenGuard(Guard):
    """Lets in whoever is signed in and has let this installation do something at Google, and gives the token for it."""

    def __init__(self, scopes: tuple[str, ...]) -> None:
        self.scopes = scopes
        self.statement = f"consent at Google to {' '.join(scopes)}"
        self.errors = (ProviderConsentRequired, ProviderFailed, ProviderUnavailable)

    async def __call__(self, request: Request, user: SignedIn) -> str:
        """Return an access token of the caller's. Raises `ProviderConsentRequired`, `ProviderFailed`, `ProviderUnavailable`."""
        runtime = get_runtime(request)
        return await runtime.provider_tokens.access_token(
            runtime.federation.provider(GOOGLE), user_id=user.id, scopes=self.scopes, client=client_of(request)
        )


def google_token(scopes: Sequence[str]) -> GoogleTokenGuard:
    """Return the guard whose route calls Google: `token: Annotated[str, Depends(google_token(scopes=["https://…"]))]`.

    The token is the caller's own, granted for these scopes, and ends a minute from now at the earliest. It needs
    GOOGLE_KEEP_TOKENS.
    """
    if isinstance(scopes, str) or not scopes or not all(re.fullmatch(SCOPE, scope) for scope in scopes):
        raise ValueError("name the scopes as a list, each as Google's documentation writes it")
    return GoogleTokenGuard(tuple(dict.fromkeys(scopes)))


async def check_form(request: Request) -> None:
    """Take a form only as `application/x-www-form-urlencoded`, and each of its fields only once.

    Raises `UnsupportedMediaType`, or `InvalidRequest` for a repeated field: two parsers could each believe another
    one (RFC 6749, section 3.2).
    """
    media_type = request.headers.get("content-type", FORM_TYPE).partition(";")[0].strip().lower()
    if media_type != FORM_TYPE:
        raise UnsupportedMediaType
    names = [name for name, _ in (await request.form()).multi_items()]
    if len(names) != len(set(names)):
        raise InvalidRequest("A field of the form stands there twice")


FORM_TYPE = "application/x-www-form-urlencoded"
PlainForm = Depends(check_form)
"""For a route that takes a form."""


def client_of(request: Request) -> Client:
    """Return where a request comes from, as far as the connection itself tells."""
    return Client(
        address=request.client.host if request.client else None,
        user_agent="".join(c for c in request.headers.get("user-agent", "") if c.isprintable()) or None,
        request_id=request.scope.get("ostiary.request_id", ""),
        device=get_runtime(request).tokens.find_device(find_device_cookie(request)),
    )


async def get_work(request: Request) -> AsyncIterator[Work]:
    """Open the unit of work of this request; it is committed before the answer is sent."""
    async with get_runtime(request).database.begin(client_of(request)) as work:
        yield work


async def get_reader(request: Request) -> Reader:
    """Return the way to read without a transaction."""
    return get_runtime(request).database.read


async def get_hashing(request: Request) -> HashingPool:
    """Return the threads that hash passwords."""
    return get_runtime(request).hashing


async def get_tokens(request: Request) -> TokenIssuer:
    """Return what signs and reads tokens."""
    return get_runtime(request).tokens


async def get_sign_in_context(
    request: Request,
    transport: Annotated[Transport, Query(description="`cookie` for pages of the same site.")] = Transport.BEARER,
) -> SignInContext:
    """Return what stands around a sign-in. Raises `CrossSiteRequest`: no other site signs a browser in with a cookie."""
    runtime = get_runtime(request)
    if transport is Transport.BEARER:
        return SignInContext(rules=runtime.sign_in, remembered=find_remembered_cookie(request))
    check_keeps_cookie(request)
    check_same_site(request, runtime.settings)
    present = session_cookie.find(request)
    replaces = runtime.tokens.find_cookie(present) if present else None
    remembered = find_remembered_cookie(request)
    return SignInContext(rules=runtime.sign_in, transport=transport, replaces=replaces, remembered=remembered)


async def get_handover(request: Request, response: Response) -> Handover:
    """Return what hands out a session, or takes it back."""
    runtime = get_runtime(request)
    return Handover(
        request,
        response,
        runtime.tokens,
        remembers_devices=runtime.limiter.enabled,
        remembered_seconds=runtime.settings.REMEMBER_DEVICE_DAYS * 86400,
    )


async def get_preferred_locale(request: Request) -> str | None:
    """Return the language of ours that a browser likes best, if it says so."""
    return preferred_locale(get_runtime(request).settings, request.headers.get("accept-language"))


async def get_settings(request: Request) -> Settings:
    """Return the settings of this process."""
    return get_runtime(request).settings


# "function" scope commits between the route and its answer. FastAPI's default commits after the answer has left,
# so that a failed commit would still be answered 200.
WorkDep = Annotated[Work, Depends(get_work, scope="function")]
ReaderDep = Annotated[Reader, Depends(get_reader)]
HashingDep = Annotated[HashingPool, Depends(get_hashing)]
TokensDep = Annotated[TokenIssuer, Depends(get_tokens)]
SignInContextDep = Annotated[SignInContext, Depends(get_sign_in_context)]
HandoverDep = Annotated[Handover, Depends(get_handover)]
PreferredLocaleDep = Annotated[str | None, Depends(get_preferred_locale)]
SettingsDep = Annotated[Settings, Depends(get_settings)]
