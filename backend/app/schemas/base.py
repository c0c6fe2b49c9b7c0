"""The parents of every request and answer, and the texts that people type."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

_LONGEST_NAME = 200
_REFUSED_CATEGORIES = {"Cc", "Cs", "Co", "Zl", "Zp"}
_DIRECTION_MARKS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


class RequestModel(BaseModel):
    """A request body. A field that is not named here is an error, not a wish that is silently dropped."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class ResponseModel(BaseModel):
    """An answer. It is built from a model's attributes, and nothing that is not named here goes out."""

    model_config = ConfigDict(from_attributes=True)


def _plain_text(value: str) -> str:
    """Accept one line of readable text: no control characters, no line breaks, nothing that turns its direction."""
    text = unicodedata.normalize("NFC", value).strip()
    if any(unicodedata.category(c) in _REFUSED_CATEGORIES or c in _DIRECTION_MARKS for c in text):
        raise ValueError("must be one line of text without control characters")
    if not text:
        raise ValueError("must not be empty")
    return text


def _fitting(name: str) -> str:
    """Measure once more: a few characters become two in the normal form."""
    if len(name) > _LONGEST_NAME:
        raise PydanticCustomError("string_too_long", f"must have at most {_LONGEST_NAME} characters")
    return name


SearchText = Annotated[str, Field(max_length=100), AfterValidator(_plain_text)]
"""Part of an address or a name: one line of readable text."""

FullName = Annotated[
    str,
    Field(max_length=_LONGEST_NAME, examples=["Ada Lovelace"]),
    AfterValidator(_plain_text),
    AfterValidator(_fitting),
]
"""A person's name: one line, at most 200 characters. It is text, never markup."""

Email = Annotated[str, Field(max_length=254, examples=["ada@example.com"])]
"""An address as typed. The service brings it to its normal form and says what is wrong with it."""

Password = Annotated[
    str, Field(max_length=256, examples=["correct horse battery staple"], json_schema_extra={"format": "password"})
]
"""A password: at most 256 characters. The service says why a new one is not accepted."""
