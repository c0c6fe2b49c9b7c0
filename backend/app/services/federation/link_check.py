"""Says what would happen if somebody came from a provider now. It changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import or_, select

from app.auth.emails import EmailInvalid, parse_email
from app.auth.linking import LinkAction, LinkDecision, LinkRule, LinkSituation, decide
from app.auth.oidc.id_token import Identity as Comer
from app.auth.oidc.provider import Provider
from app.config import Settings
from app.database import Reader
from app.exceptions import AppException, FieldCode, FieldInvalid, IdTokenInvalid, InvalidCredentials, NotFoundError
from app.models import Identity, User
from app.services.federation.refusals import check_decision
from app.services.federation.situations import Found, account_with_address, identity_of, sign_up_for, situation_of

_MOST_SUBJECTS = 5


@dataclass(frozen=True)
class SupposedComer:
    """Who would come. Without a subject it is somebody who has never come before."""

    provider: Provider
    subject: str | None
    email: str
    verified: bool
    hosted_domain: str | None = None
    """The organisation (`hd`) that the provider would name."""


@dataclass(frozen=True)
class Forecast:
    """What would happen. The gates of products are not asked: they may write, and they may still say no."""

    action: LinkAction
    rule: str
    """The line of the table; or what refuses somebody whatever the table says."""
    reason: str
    error_code: str | None
    """What the front end would be told. None: whoever comes gets what they came for."""
    situation: LinkSituation
    known_subjects: Sequence[str] = ()
    """Who has come from this provider with the address, or belongs to its account; for a comer without a subject."""


async def check_link(read: Reader, *, settings: Settings, comer: SupposedComer, signed_in_as: str | None) -> Forecast:
    """Return what would follow from the present state of the database.

    `signed_in_as` is the address of the account whose user would ask for the identity to be added. Raises
    `FieldInvalid` for what is no address, `NotFoundError` when nobody here has that of `signed_in_as`.
    """
    supposed = Comer(
        issuer=comer.provider.issuer,
        subject=comer.subject or "",
        email=_address(comer.email),
        email_verified=comer.verified,
        name=None,
        hosted_domain=comer.hosted_domain,
        authenticated_at=None,
        methods=(),
    )
    asked_by = await _asker(read, signed_in_as) if signed_in_as is not None else None
    found = await _find(read, settings, supposed)
    situation = situation_of(supposed, found, provider=comer.provider, asked_by=asked_by)
    decision = decide(situation)
    forecast = Forecast(
        decision.action,
        decision.rule.value,
        decision.reason,
        _code_of(decision),
        situation,
        () if comer.subject else await _known_subjects(read, supposed),
    )
    if comer.provider.hosted_domain not in {None, comer.hosted_domain}:
        return _kept_out(forecast, IdTokenInvalid, "hosted_domain", "The settings let in members of one domain only.")
    entered = asked_by or _account_of(found, decision)
    if forecast.error_code is None and entered is not None and await _is_disabled(read, entered):
        return _kept_out(forecast, InvalidCredentials, "account_disabled", "An administrator has disabled the account.")
    return forecast


async def _asker(read: Reader, email: str) -> UUID:
    users = await read.entities(account_with_address(_address(email)))
    if not users:
        raise NotFoundError("Account")
    return users[0].id


async def _find(read: Reader, settings: Settings, comer: Comer) -> Found:
    identities: list[Identity] = list(await read.entities(identity_of(comer))) if comer.subject else []
    local: list[User] = list(await read.entities(account_with_address(comer.email or "")))
    sign_up = await sign_up_for(settings, comer.email or "", first=read.first, now=datetime.now(UTC))
    return Found(identities[0] if identities else None, local[0] if local else None, sign_up)


async def _known_subjects(read: Reader, comer: Comer) -> Sequence[str]:
    owners = account_with_address(comer.email or "").with_only_columns(User.id)
    theirs = or_(Identity.email == comer.email, Identity.user_id.in_(owners))
    statement = select(Identity).where(Identity.issuer == comer.issuer, theirs).limit(_MOST_SUBJECTS)
    return sorted(identity.subject for identity in await read.entities(statement))


def _account_of(found: Found, decision: LinkDecision) -> UUID | None:
    """Return the account that somebody would come in to, where there is one already."""
    if found.identity is not None:
        return found.identity.user_id
    given = decision.rule is LinkRule.UNPROVED_GIVES_WAY and found.local is not None
    return found.local.id if given and found.local else None


async def _is_disabled(read: Reader, user_id: UUID) -> bool:
    return not await read.entities(select(User).where(User.id == user_id, User.is_active))


def _code_of(decision: LinkDecision) -> str | None:
    try:
        check_decision(decision)
    except AppException as refusal:
        return refusal.code
    return None


def _kept_out(forecast: Forecast, error: type[AppException], rule: str, reason: str) -> Forecast:
    return replace(forecast, action=LinkAction.REFUSE, rule=rule, reason=reason, error_code=error.code)


def _address(text: str) -> str:
    try:
        return parse_email(text).deliverable
    except EmailInvalid as error:
        raise FieldInvalid("/email", FieldCode.EMAIL_INVALID, str(error)) from error
