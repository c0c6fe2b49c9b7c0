"""People who sign in with what was mailed to them."""

import re
from dataclasses import dataclass
from typing import Any

import httpx2

from app.mail.sealing import open_mail
from app.runtime import Runtime
from tests.accounts import API
from tests.cookies import OWN_PAGE, set_cookies
from tests.outbox import mails_of

SESSION, FLOW = "__Host-ostiary", "__Host-ostiary-mail"
"""The names of the cookies, spelt out, so that a change is seen."""
WRONG = "MAILED_PROOF_INVALID"


@dataclass
class Asked:
    """Somebody who has asked for a mail: with what the answer gave them."""

    http: httpx2.AsyncClient
    email: str
    flow: str | None
    cookie: str = ""

    async def sign_in(self, *, transport: str = "bearer", **body: Any) -> httpx2.Response:
        """Bring something out of the mail, with what was kept."""
        headers = {**OWN_PAGE, "Cookie": f"{FLOW}={self.cookie}"} if self.cookie else dict(OWN_PAGE)
        given = {"flow": self.flow, **body} if self.flow else body
        return await self.http.post(f"{API}/auth/code/sign-in?transport={transport}", json=given, headers=headers)

    async def type(self, code: str, *, transport: str = "bearer") -> httpx2.Response:
        return await self.sign_in(transport=transport, email=self.email, code=code)


async def ask(
    client: httpx2.AsyncClient, email: str, *, transport: str = "bearer", before: Asked | None = None
) -> Asked:
    """Ask for a mail; after `before` with what was kept since then."""
    body = {"email": email} if before is None or before.flow is None else {"email": email, "flow": before.flow}
    cookie = {"Cookie": f"{FLOW}={before.cookie}"} if before and before.cookie else {}
    response = await client.post(
        f"{API}/auth/code/request?transport={transport}", json=body, headers={**OWN_PAGE, **cookie}
    )
    assert response.status_code == 202, response.text
    cookies = {cookie.name: cookie.value for cookie in set_cookies(response)}
    return Asked(client, email, response.json()["flow"], cookies.get(FLOW, ""))


async def mail_texts(runtime: Runtime) -> list[str]:
    """Return the texts of every mail with a code, in their order."""
    texts = []
    for mail in await mails_of(runtime):
        if mail.kind == "sign_in_code":
            rendered = open_mail(runtime.settings, mail.content_encrypted or b"", mail_id=mail.id, kind=mail.kind)
            assert rendered is not None
            texts.append(rendered.text)
    return texts


async def code_of(runtime: Runtime) -> str:
    """Return the code of the newest mail."""
    found = re.search(r"^ {4}(\d{8})$", (await mail_texts(runtime))[-1], re.MULTILINE)
    assert found
    return found[1]


async def token_of(runtime: Runtime) -> str:
    """Return the token of the newest mail's link."""
    found = re.search(r"/mail/sign-in#token=(\S+)", (await mail_texts(runtime))[-1])
    assert found
    return found[1]


def another(code: str) -> str:
    """Return a code that is wrong for sure."""
    return f"{(int(code) + 1) % 10**8:08}"
