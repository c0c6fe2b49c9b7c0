"""Sign-in with a mailed code, or by the link of the same mail."""

from pydantic import Field

from app.schemas.recovery import FromMailRequest, MailedRequest, MailedResponse

FLOW_PATTERN = r"^[A-Za-z0-9_-]{43}$"
"""What a flow looks like: 32 random bytes."""


class MailedCodeRequest(MailedRequest):
    """To which address a code is to go."""

    flow: str | None = Field(
        None,
        max_length=43,
        pattern=FLOW_PATTERN,
        description="The `flow` that you got when you asked before: send it along when you ask again. There may be no further "
        "mail then, and the code of the last one counts with that flow alone. With `?transport=cookie` the browser keeps it.",
    )


class MailedCodeResponse(MailedResponse):
    """The same for every address, whether it has an account here or not."""

    flow: str | None = Field(
        description="Keep it, and send it along with the code: the code counts with it alone. null with "
        "`?transport=cookie`: the browser keeps it, and the mail holds a link as well."
    )


class MailedSignInRequest(FromMailRequest):
    """What came out of the mail, and what the asking client has kept."""

    flow: str | None = Field(None, max_length=200, description="null: the browser has it in a cookie.")
