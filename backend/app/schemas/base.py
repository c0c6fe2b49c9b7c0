"""The parents of every request and answer, and the texts that people type."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.auth.names import MAXIMUM_LENGTH, person_name, plain_text


class RequestModel(BaseModel):
    """A request body. A field that is not named here is an error, not a wish that is silently dropped."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class ResponseModel(BaseModel):
    """An answer. It is built from a model's attributes, and nothing that is not named here goes out."""

    model_config = ConfigDict(from_attributes=True)


SearchText = Annotated[
    str, Field(max_length=100), AfterValidator(lambda text: plain_text(text) if text.strip() else "")
]
"""Part of an address or a name: one line of readable text. Nothing searches for nothing: everybody is listed."""

FullName = Annotated[str, Field(max_length=MAXIMUM_LENGTH, examples=["Ada Lovelace"]), AfterValidator(person_name)]
"""A person's name: one line, at most 200 characters. It is text, never markup."""

Email = Annotated[str, Field(max_length=254, examples=["ada@example.com"])]
"""An address as typed. The service brings it to its normal form and says what is wrong with it."""

Password = Annotated[
    str, Field(max_length=256, examples=["correct horse battery staple"], json_schema_extra={"format": "password"})
]
"""A password: at most 256 characters. The service says why a new one is not accepted."""
