"""An application that signs people in with the provider, written with nobody's library but the one that reads its tokens."""

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx2
import jwt

from app.offline.testing import ADA, Client, Person, RunningProvider, Visitor, answer_in

REDIRECT_URI = "http://127.0.0.1:8000/api/v1/auth/google/callback"
CLIENT = Client(
    client_id="shop",
    client_secret="the secret of the shop",
    redirect_uris=(REDIRECT_URI,),
    name="The shop",
    origins=("http://localhost:3000",),
)
VERIFIER = "a-verifier-of-enough-characters-to-be-taken-as-one"
STATE = "the state & of = this flow"
NONCE = "the nonce of this flow"


def challenge(verifier: str = VERIFIER) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def parameters(**changes: str | None) -> dict[str, str]:
    """Return the parameters of a good authorisation request, with changes; None leaves one out."""
    good: dict[str, str | None] = {
        "client_id": CLIENT.client_id,
        "redirect_uri": REDIRECT_URI,
        "response_type": "code",
        "scope": "openid email profile",
        "state": STATE,
        "nonce": NONCE,
        "code_challenge": challenge(),
        "code_challenge_method": "S256",
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def address_of(provider: RunningProvider, **changes: str | None) -> str:
    """Return where the application sends the browser."""
    return f"{provider.issuer}/authorize?{urlencode(parameters(**changes))}"


@dataclass(frozen=True)
class Shop:
    """The application: it exchanges codes and reads tokens."""

    provider: RunningProvider
    http: httpx2.AsyncClient
    client: Client = field(default=CLIENT)

    async def ask(self, **form: str | None) -> httpx2.Response:
        """Ask the token endpoint, with id and secret in the form unless they are left out by None."""
        good: dict[str, str | None] = {
            "client_id": self.client.client_id,
            "client_secret": self.client.client_secret,
        }
        sent = {name: value for name, value in {**good, **form}.items() if value is not None}
        return await self.http.post(f"{self.provider.issuer}/token", data=sent)

    async def exchange(self, code: str, **changes: str | None) -> httpx2.Response:
        """Exchange a code."""
        return await self.ask(
            **{
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": REDIRECT_URI,
                "code_verifier": VERIFIER,
                **changes,
            }
        )

    async def tokens(self, visitor: Visitor, person: Person = ADA, **changes: str | None) -> dict[str, Any]:
        """Return the tokens of a whole flow."""
        code = answer_in(await visitor.sign_in(address_of(self.provider, **changes), person))["code"]
        response = await self.exchange(code)
        assert response.status_code == 200, response.text
        tokens: dict[str, Any] = response.json()
        return tokens

    async def keys(self) -> jwt.PyJWKSet:
        """Return the keys that the provider publishes."""
        document = (await self.http.get(f"{self.provider.issuer}/jwks.json")).json()
        return jwt.PyJWKSet.from_dict(document)

    async def read(self, id_token: str) -> dict[str, Any]:
        """Return what an ID token says, strictly: it must be signed by a published key, and be for this application."""
        header = jwt.get_unverified_header(id_token)
        claims: dict[str, Any] = jwt.decode(
            id_token,
            (await self.keys())[header["kid"]],
            algorithms=["RS256"],
            audience=self.client.client_id,
            issuer=self.provider.issuer,
            options={"require": ["iss", "sub", "aud", "exp", "iat"]},
        )
        return claims
