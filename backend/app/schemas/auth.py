"""Sign-up, sign-in, tokens, one's own account."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from app.schemas.base import Email, FullName, Password, RequestModel, ResponseModel


class RegisterRequest(RequestModel):
    """Who wants an account."""

    email: Email
    password: Password
    full_name: FullName | None = None


class LoginForm(RequestModel):
    """The OAuth2 password form, as Swagger UI and OAuth libraries send it. `username` is the address."""

    username: str = Field(max_length=254, description="The address of the account.", examples=["ada@example.com"])
    password: Password
    grant_type: Literal["password"] | None = None
    scope: Literal[""] | None = Field(None, description="Taken only when empty: permissions come from the role.")
    client_id: Literal[""] | None = Field(None, description="Taken only when empty: there are no clients here.")
    client_secret: Literal[""] | None = Field(None, description="Taken only when empty: there are no clients here.")


class TokenResponse(ResponseModel):
    """What a sign-in or a refresh gives (RFC 6749, section 5.1)."""

    access_token: str = Field(description="A JWT (RFC 9068) for the Authorization header.")
    refresh_token: str = Field(description="Give it to /auth/refresh once; the answer holds its successor.")
    token_type: Literal["bearer"] = "bearer"
    expires_in: int = Field(description="Seconds until the access token ends.")


class AccessTokenResponse(ResponseModel):
    """A new access token; the refresh token stays as it is."""

    access_token: str = Field(description="A JWT (RFC 9068) for the Authorization header.")
    token_type: Literal["bearer"] = "bearer"
    expires_in: int = Field(description="Seconds until the access token ends.")


class CookieSessionResponse(ResponseModel):
    """A session that the browser carries in a cookie. There is no token to keep."""

    transport: Literal["cookie"] = "cookie"
    expires_at: datetime = Field(description="When the session ends whatever happens; earlier if it is not used.")


class RefreshRequest(RequestModel):
    """The refresh token of the last sign-in or refresh."""

    refresh_token: str = Field(max_length=4096)


class ReauthenticateRequest(RequestModel):
    """The password, as a fresh proof."""

    method: Literal["password"] = "password"
    password: Password


class UpdateMeRequest(RequestModel):
    """What people may change of their own account. A field that is left out stays as it is."""

    full_name: FullName | None = Field(None, description="null takes the name away.")
    locale: str | None = Field(
        None,
        max_length=20,
        examples=["de"],
        description="The language of mail to you. null: the one of the installation.",
    )


_WITHOUT = "null, or left out, for an account without a password; then the sign-in must be fresh."


class ChangePasswordRequest(RequestModel):
    """The password of now and the one to be."""

    current_password: Password | None = Field(None, description=_WITHOUT)
    new_password: Password


class DeleteMeRequest(RequestModel):
    """The password, as a fresh proof."""

    password: Password | None = Field(None, description=_WITHOUT)
