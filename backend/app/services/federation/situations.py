"""Looks up what counts for the decision about somebody who comes from a provider. It changes nothing."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from uuid import UUID

from sqlalchemy import Select, select

from app.auth.emails import parse_email
from app.auth.linking import LinkSituation, LocalAccount, ProviderEmail, SignedInAs
from app.auth.oidc import id_token
from app.auth.oidc.provider import Provider
from app.config import Settings
from app.models import Identity, User
from app.models.role import ORDINARY
from app.services.mailed.invitations import First, is_invited
from app.services.sign_up import sign_up_is_open


class SignUpFor(Enum):
    """Who may make an account with an address."""

    NOBODY = auto()
    INVITED = auto()
    EVERYBODY = auto()


@dataclass(frozen=True)
class Found:
    """What is in the database about somebody who comes from a provider."""

    identity: Identity | None
    """Theirs, if it is known here."""
    local: User | None
    """The account with the address that the provider names."""
    sign_up: SignUpFor = SignUpFor.EVERYBODY


def identity_of(comer: id_token.Identity) -> Select[Identity]:
    """Select the identity by its key."""
    return select(Identity).where(Identity.issuer == comer.issuer, Identity.subject == comer.subject)


def account_with_address(email: str) -> Select[User]:
    """Select the account with an address, in whatever spelling."""
    return select(User).where(User.email_normal == parse_email(email).normal)


def situation_of(comer: id_token.Identity, found: Found, *, provider: Provider, asked_by: UUID | None) -> LinkSituation:
    """Return what counts when somebody comes from a provider.

    `asked_by` is the user who asked for the identity to be added; None: somebody signs in.
    """
    address = comer.email if comer.email_verified else None
    authority = bool(address and provider.is_authority_for(address, comer.hosted_domain))
    return LinkSituation(
        identity_known=found.identity is not None,
        provider_email=_provider_email(comer),
        authority=authority,
        local=_local_account(found.local),
        signed_in_as=_signed_in_as(found, asked_by),
        # An invitation was mailed: it counts for whom a provider sends that hands out this mailbox.
        sign_up_open=found.sign_up is SignUpFor.EVERYBODY or (authority and found.sign_up is SignUpFor.INVITED),
    )


async def sign_up_for(settings: Settings, email: str, *, first: First, now: datetime) -> SignUpFor:
    """Return whether whoever has an address may make an account; `first` runs a statement and returns its first row."""
    normal = parse_email(email).normal
    if sign_up_is_open(settings, normal):
        return SignUpFor.EVERYBODY
    invited = settings.SIGN_UP != "closed" and await is_invited(first, email_normal=normal, now=now)
    return SignUpFor.INVITED if invited else SignUpFor.NOBODY


def _provider_email(comer: id_token.Identity) -> ProviderEmail:
    if comer.email is None:
        return ProviderEmail.ABSENT
    return ProviderEmail.VERIFIED if comer.email_verified else ProviderEmail.UNVERIFIED


def _local_account(user: User | None) -> LocalAccount:
    """Whoever was given more than the ordinary role was vouched for by an administrator: such an account never gives way."""
    if user is None:
        return LocalAccount.NONE
    vouched_for = user.role_name != ORDINARY
    return LocalAccount.VERIFIED if user.email_verified_at or vouched_for else LocalAccount.UNVERIFIED


def _signed_in_as(found: Found, asked_by: UUID | None) -> SignedInAs:
    if asked_by is None:
        return SignedInAs.NOBODY
    owner = found.identity.user_id if found.identity else found.local.id if found.local else None
    return SignedInAs.OWNER if owner == asked_by else SignedInAs.SOMEBODY_ELSE
