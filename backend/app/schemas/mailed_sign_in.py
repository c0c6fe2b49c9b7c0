"""Sign-in with a mailed code, or by the link of the same mail."""

from pydantic import Field

from app.schemas.recovery import FromMailRequest, MailedResponse


class MailedCodeResponse(MailedResponse):
    """The same for every address, whether it has an account here or not."""

    flow: str | None = Field(
        description="Keep it, and send it along with the code: the code counts with it alone. null with "
        "`?transport=cookie`: the browser keeps it, and the mail holds a link as well."
    )


class MailedSignInRequest(FromMailRequest):
    """What came out of the mail, and what the asking client has kept."""

    flow: str | None = Field(None, max_length=200, description="null: the browser has it in a cookie.")
