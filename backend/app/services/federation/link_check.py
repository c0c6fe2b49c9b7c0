"""Says what would happen if somebody came from a provider now. It changes nothing."""

from dataclasses import dataclass

from app.auth.emails import EmailInvalid, parse_email
from app.auth.linking import LinkDecision, LinkSituation, decide
from app.auth.oidc.id_token import Identity as Comer
from app.auth.oidc.provider import Provider
from app.database import Reader
from app.exceptions import FieldCode, FieldInvalid, NotFoundError
from app.models import Identity, User
from app.services.federation.situations import Found, account_with_address, identity_of, situation_of


@dataclass(frozen=True)
class SupposedComer:
    """Who would come. Without a subject it is somebody who has never come before."""

    issuer: str
    subject: str | None
    email: str
    verified: bool
    provider: Provider | None = None
    """Whose issuer it is. None: one that the settings do not know."""
    hosted_domain: str | None = None
    """The organisation (`hd`) that Google would name."""


async def check_link(
    read: Reader, *, comer: SupposedComer, signed_in_as: str | None
) -> tuple[LinkSituation, LinkDecision]:
    """Return what counts in the present state of the database, and what follows.

    `signed_in_as` is the address of the account whose user would ask for the identity to be added. Raises
    `FieldInvalid` for what is no address, `NotFoundError` when nobody here has that of `signed_in_as`.
    """
    supposed = Comer(
        issuer=comer.issuer,
        subject=comer.subject or "",
        email=_address(comer.email),
        email_verified=comer.verified,
        name=None,
        hosted_domain=comer.hosted_domain,
        authenticated_at=None,
        methods=(),
    )
    asked_by = None
    if signed_in_as is not None:
        users = await read.entities(account_with_address(_address(signed_in_as)))
        if not users:
            raise NotFoundError("Account")
        asked_by = users[0].id
    found = await _find(read, supposed)
    situation = situation_of(supposed, found, provider=comer.provider, asked_by=asked_by)
    return situation, decide(situation)


async def _find(read: Reader, comer: Comer) -> Found:
    identities: list[Identity] = list(await read.entities(identity_of(comer))) if comer.subject else []
    local: list[User] = list(await read.entities(account_with_address(comer.email or "")))
    return Found(identity=identities[0] if identities else None, local=local[0] if local else None)


def _address(text: str) -> str:
    try:
        return parse_email(text).deliverable
    except EmailInvalid as error:
        raise FieldInvalid("/email", FieldCode.EMAIL_INVALID, str(error)) from error
