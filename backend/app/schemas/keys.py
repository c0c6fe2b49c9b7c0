"""The public signing keys."""

from pydantic import Field

from app.schemas.base import ResponseModel


class JsonWebKey(ResponseModel):
    """The public half of one key pair (RFC 7517). Which of the last members it has depends on its type."""

    kty: str = Field(description="`EC`, `OKP` or `RSA`.")
    kid: str = Field(description="The name of the key, which is also in the header of every token that it signed.")
    use: str = Field(description="`sig`.")
    alg: str = Field(description="The only algorithm that it may be used with.")
    crv: str | None = None
    x: str | None = None
    y: str | None = None
    n: str | None = None
    e: str | None = None


class JsonWebKeySet(ResponseModel):
    """Every key that our tokens may be signed with: the next, the current, and the former ones."""

    keys: list[JsonWebKey]
