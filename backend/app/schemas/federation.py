"""Sign-in through identity providers, and the identities of an account."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field

from app.models import Identity
from app.provider_settings import SCOPE
from app.schemas.base import RequestModel, ResponseModel


class DepartureResponse(ResponseModel):
    """Where to send the browser."""

    authorization_url: str = Field(description="At the provider. Go there with `location.assign`, not with `fetch`.")


class NonceResponse(ResponseModel):
    """What an ID token must carry."""

    nonce: str = Field(
        description="Give it to the provider's script, or to the SDK of your app. Counts for ten minutes."
    )
    client_id: str


class AuthorizationAnswerRequest(RequestModel):
    """What stands in the address that the provider has sent the browser to."""

    state: str = Field(max_length=200)
    code: str | None = Field(None, max_length=2048)
    iss: str | None = Field(None, max_length=2048, description="Hand it over whenever it is there (RFC 9207).")
    error: str | None = Field(None, max_length=200)

    def pairs(self) -> list[tuple[str, str]]:
        """Return every parameter that is there."""
        return [(name, value) for name, value in self.model_dump(exclude_none=True).items()]


class CredentialRequest(RequestModel):
    """An ID token, and the nonce that it was asked for with."""

    credential: str = Field(max_length=16384)
    nonce: str = Field(max_length=200)


class ExchangeRequest(RequestModel):
    """The one-time code that the browser brought."""

    code: str = Field(max_length=200)
    code_verifier: str | None = Field(
        None,
        min_length=43,
        max_length=128,
        pattern=r"^[A-Za-z0-9._~-]+$",
        description="If the sign-in began with a `code_challenge`. Otherwise the browser shows its cookie.",
    )


class LinkRequest(RequestModel):
    """Where to come back to, and what else to ask the user's consent for."""

    return_to: str = Field("/", max_length=512, description="A page of the front end: a path, or a full address.")
    scopes: list[Annotated[str, Field(max_length=200, pattern=SCOPE)]] = Field(
        [], max_length=20, description="Those of a PROVIDER_CONSENT_REQUIRED. Earlier consent is kept beside it."
    )


class IdentityResponse(ResponseModel):
    """Somebody at a provider, who signs in to this account."""

    id: UUID
    provider: str | None = Field(description="null: it is not configured any more, and signs nobody in.")
    issuer: str
    email: str | None = Field(description="What the provider said last. It may differ from the account's.")
    email_verified: bool
    created_at: datetime
    last_used_at: datetime


class IdentityListResponse(ResponseModel):
    """Every identity of an account, the oldest first."""

    items: list[IdentityResponse]

    @classmethod
    def of(cls, identities: Sequence[Identity], names: Mapping[str, str]) -> Self:
        """Return identities with the names of their providers, by issuer."""
        return cls(
            items=[
                IdentityResponse(
                    id=identity.id,
                    provider=names.get(identity.issuer),
                    issuer=identity.issuer,
                    email=identity.email,
                    email_verified=identity.email_verified,
                    created_at=identity.created_at,
                    last_used_at=identity.last_used_at,
                )
                for identity in identities
            ]
        )
