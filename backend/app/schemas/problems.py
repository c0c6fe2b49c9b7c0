"""The one shape of every error (RFC 9457)."""

from pydantic import BaseModel, ConfigDict, Field

UNREADABLE_BODY = "The body is not the JSON that it says it is"


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    pointer: str = Field(description="Where: a JSON pointer (RFC 6901) into the body, or the parameter's name.")
    code: str
    detail: str


class Problem(BaseModel):
    """An error. Switch on `code`; it never changes."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:ostiary:problem:not-found"])
    title: str
    status: int
    detail: str
    code: str = Field(examples=["NOT_FOUND"])
    request_id: str = Field(description="Name it when you ask for help: it stands in the server's log.")
    errors: list[FieldProblem] | None = Field(
        None, description="With VALIDATION_FAILED: one entry for each wrong field."
    )
