"""Names the limit of a route in its signature, and counts a try before the route does anything."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import structlog
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.params import Depends as Dependency

from app.auth.actor import CurrentUser
from app.auth.dependencies import FORM_TYPE, SignedIn, client_of, get_runtime
from app.exceptions import (
    DatabaseUnavailable,
    HashingBusy,
    InsufficientUserAuthentication,
    LimitsUnavailable,
    NewPasswordRefused,
    RateLimited,
    SecondFactorRequired,
)
from app.limits.limiter import Limiter, Spent, Trier
from app.limits.policy import LIMITS, Limit, Per
from app.services.limits import find_trier, note_refusal

log = structlog.get_logger()


class LimitGuard:
    """Counts a try. One that succeeds is given back, where the limit is for failures alone; so is one that
    looked at no password and no code, or at the right one with a new password that is refused.
    """

    errors = (RateLimited, LimitsUnavailable)
    """What it raises, for the API document."""

    def __init__(self, limit: Limit, *, account: str | None = None) -> None:
        self.limit = limit
        self._account = account

    async def __call__(self, request: Request) -> AsyncIterator[None]:
        """Raise `RateLimited` for one try too many."""
        async with self._counted(request, None):
            yield

    @asynccontextmanager
    async def _counted(self, request: Request, caller: CurrentUser | None) -> AsyncIterator[None]:
        runtime, now = get_runtime(request), datetime.now(UTC)
        if not runtime.limiter.enabled:
            yield
            return
        client, typed = client_of(request), None
        trier = Trier(address=client.address)
        if self._account is not None:
            try:
                typed = await _typed(request, self._account)
            except _Unreadable:
                trier = replace(trier, is_unreadable=True)
            else:
                trier = await find_trier(runtime.database.read, client=client, typed=typed, now=now)
        try:
            spent = await runtime.limiter.spend(
                self.limit, replace(trier, caller=caller.id if caller else None), now=now
            )
        except RateLimited as no:
            if no.is_news:
                async with runtime.database.begin(client) as work:
                    note_refusal(work, limit=self.limit, typed=typed, caller=caller)
            else:
                log.info("limit.reached_again", limit=self.limit.name)
            raise
        try:
            yield
        except (
            RequestValidationError,
            NewPasswordRefused,
            SecondFactorRequired,
            InsufficientUserAuthentication,
            HashingBusy,
        ):
            # No password and no code was looked at, or they were right: wrong second factors are counted where they are
            # asked for. Any other 422 may be an extension's "wrong".
            if not trier.is_unreadable:
                await self._give_back(runtime.limiter, spent)
            raise
        await self._give_back(runtime.limiter, spent)

    async def _give_back(self, limiter: Limiter, spent: Spent) -> None:
        try:
            await limiter.give_back(spent)
        except (DatabaseUnavailable, LimitsUnavailable):
            # What was done is done by now, and the answer says so. A try too many stays counted.
            log.warning("limit.not_given_back", limit=self.limit.name)


class CallerLimitGuard(LimitGuard):
    """The same for a limit on what one signed-in user tries, in whichever session."""

    async def __call__(self, request: Request, user: SignedIn) -> AsyncIterator[None]:  # type: ignore[override]
        """Raise `RateLimited` for one try too many."""
        async with self._counted(request, user):
            yield


def Limited(limit: str | Limit, *, account: str | None = None) -> Dependency:  # noqa: N802  # Reads like `Public`.
    """Return what a route that guesses or sends depends on, such as `Limited("sign-in", account="username")`.

    `limit` is a name of `limits/policy.py`, or a limit of your own. `account` names the field of the body in which somebody
    types whose account is meant. A `PlainForm` stands before it.
    """
    found = limit if isinstance(limit, Limit) else LIMITS[limit]
    pers = {rule.per for rule in found.rules}
    if (Per.ACCOUNT in pers) != (account is not None):
        raise ValueError(
            f"the limit {found.name} {'needs' if account is None else 'has no use for'} the field of an account"
        )
    guard = CallerLimitGuard(found, account=account) if Per.CALLER in pers else LimitGuard(found, account=account)
    # "function" scope ends after the commit and before the answer: what could not be committed is not given back.
    return Dependency(guard, scope="function")


class _Unreadable(Exception):
    """A body in which nobody finds a field: neither a form nor a JSON object."""


async def _typed(request: Request, field: str) -> str | None:
    """Return what stands in a field of the body, as the route itself will read it, or None. Raises `_Unreadable`."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        # Whatever is no form is read as JSON, also what does not call itself so: no name of a type leads past the count.
        content = await (request.form() if media_type == FORM_TYPE else request.json())
    except (ValueError, RecursionError) as error:
        raise _Unreadable from error
    if not isinstance(content, Mapping):
        raise _Unreadable
    value = content.get(field)
    return value if isinstance(value, str) else None
