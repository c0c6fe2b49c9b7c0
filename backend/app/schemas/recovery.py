"""What is asked for by mail, and what somebody brings out of one: a forgotten password, another address, "this wasn't me"."""

from typing import Self

from pydantic import Field, model_validator

from app.schemas.base import Email, Password, RequestModel, ResponseModel


class MailedRequest(RequestModel):
    """To which address a mail is to go."""

    email: Email


class MailedResponse(ResponseModel):
    """The same for every address, whether it has an account here or not."""

    expires_in: int = Field(description="Seconds for which the mail counts, if one was sent.")


class FromMailRequest(RequestModel):
    """Either the token of the link, or the code with the address that it was sent to."""

    token: str | None = Field(None, max_length=200, description="What stands behind `#token=` in the link.")
    email: Email | None = None
    code: str | None = Field(None, max_length=40, description="Eight digits. Spaces and dashes do not matter.")

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        typed = self.email is not None and self.code is not None
        if typed == (self.token is not None) or (self.email is None) != (self.code is None):
            raise ValueError("send either token, or email and code")
        return self


class ResetPasswordRequest(FromMailRequest):
    """What came out of the mail, and the password to be."""

    new_password: Password


class UndoRequest(RequestModel):
    """The link of a notice."""

    token: str = Field(max_length=200, description="What stands behind `#token=` in the link.")
