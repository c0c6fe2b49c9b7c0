"""The audit log over a tour of everything that is done with second factors: what it tells, and that no row holds a secret."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
from sqlalchemy import update

from app.models import AuditKind, Passkey
from app.runtime import Runtime
from tests.accounts import API, Accounts
from tests.audit import all_events
from tests.authenticator import Authenticator
from tests.canaries import Secrets
from tests.factors import (
    add_passkey,
    enrol_app,
    finish,
    forget_last_step,
    page_of,
    pending_of,
    sign_in_with_passkey,
    wrong_code_of,
)
from tests.mailed.recovering import proved
from tests.rows import write

OF_FACTORS = {
    AuditKind.SIGN_IN_HELD,
    AuditKind.SIGN_IN_CONTINUED,
    AuditKind.SIGN_IN_FAILED,
    AuditKind.SESSION_PROOF_REFUSED,
    AuditKind.SESSION_REAUTHENTICATED,
    AuditKind.FACTOR_ADDED,
    AuditKind.FACTOR_REFUSED,
    AuditKind.FACTOR_REMOVED,
    AuditKind.FACTORS_RESET,
    AuditKind.FACTORS_RESET_REFUSED,
    AuditKind.RECOVERY_CODES_MADE,
    AuditKind.RECOVERY_CODE_SPENT,
    AuditKind.PASSKEY_RENAMED,
    AuditKind.PASSKEY_COUNTER_FELL,
    AuditKind.DEVICE_REMEMBERED,
    AuditKind.DEVICE_FORGOTTEN,
}
"""Each of them must be come past, or the tour would prove little."""
_NAMES = {
    "secret",
    "uri",
    "qr_svg",
    "pending",
    "ceremony",
    "challenge",
    "signature",
    "clientDataJSON",
    "recovery_codes",
}
WRONG_LIST_CODE = "0000-1111-2222-3333"


class FactorSecrets(Secrets):
    """Also what is shown to add a factor, what names a ceremony, and what a passkey answers."""

    async def _note(self, response: httpx2.Response) -> None:
        await super()._note(response)
        for text in (response.request.content.decode(), response.text):
            self.seen |= set(_named(text))


def _named(text: str) -> Iterator[str]:
    try:
        content = json.loads(text)
    except ValueError:
        return
    yield from _walk(content, is_secret=False)


def _walk(content: Any, *, is_secret: bool) -> Iterator[str]:
    if isinstance(content, dict):
        for name, value in content.items():
            yield from _walk(value, is_secret=name in _NAMES)
    elif isinstance(content, list):
        for value in content:
            yield from _walk(value, is_secret=is_secret)
    elif is_secret and isinstance(content, str):
        yield content
        yield content.replace(" ", "")


async def tour(http: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime, secrets: Secrets) -> None:
    """Go everywhere that second factors lead, with every mistake that people make on the way."""
    ada = await enrol_app(await proved(accounts, runtime))
    await forget_last_step(runtime)
    device = Authenticator(page_of(runtime))
    passkey = (await add_passkey(ada.person, device))["passkey"]
    wrong = wrong_code_of(ada.secret)
    secrets.seen |= {ada.code(), wrong, WRONG_LIST_CODE}
    pending = await pending_of(http, ada.person)
    assert (await finish(http, pending, method="totp", code=wrong)).status_code == 403
    assert (await finish(http, pending, method="recovery_code", code=WRONG_LIST_CODE)).status_code == 403
    done = await finish(http, pending, method="totp", code=ada.code(), remember_device=True)
    assert done.status_code == 200, done.text
    pending = await pending_of(http, ada.person)
    assert (await finish(http, pending, method="recovery_code", code=ada.recovery_codes[0])).status_code == 200
    for code, status in ((wrong, 403), (ada.code(), 403)):
        answer = await ada.person.post("/auth/reauthenticate", json={"method": "totp", "code": code})
        assert answer.status_code == status, answer.text
    await forget_last_step(runtime)
    assert (
        await ada.person.post("/auth/reauthenticate", json={"method": "totp", "code": ada.code()})
    ).status_code == 200
    assert (await ada.person.post("/auth/me/recovery-codes")).status_code == 200
    assert (await ada.person.post("/auth/me/totp")).status_code == 200
    assert (await ada.person.post("/auth/me/totp/confirm", json={"code": wrong})).status_code == 403
    renamed = await ada.person.patch(f"/auth/me/passkeys/{passkey['id']}", json={"name": "Laptop"})
    assert renamed.status_code == 200
    assert (await sign_in_with_passkey(http, device)).status_code == 200
    await write(runtime, update(Passkey).values(sign_count=1000))
    assert (await sign_in_with_passkey(http, device)).status_code == 403
    assert (await ada.person.call("DELETE", "/auth/me/remembered-devices")).status_code == 204
    assert (await ada.person.call("DELETE", f"/auth/me/passkeys/{passkey['id']}")).status_code == 204
    administrator = await accounts.administrator()
    pasted = f"They read me {ada.recovery_codes[1]}, then {pending}"
    for user_id, status in ((administrator.id, 403), (ada.person.id, 204)):
        answer = await administrator.post(f"/users/{user_id}/factors/reset", json={"reason": pasted})
        assert answer.status_code == status, answer.text
    agent = {"User-Agent": f"curl {pending}"}
    await http.post(f"{API}/auth/second-factor/status", json={"pending": pending}, headers=agent)


async def test_no_row_holds_a_secret_of_a_second_factor(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """S41, V16.2.5, SE-04, TO-05: seeds, codes, lists, pending sign-ins, cookies, ceremonies and what passkeys answer."""
    secrets = FactorSecrets(client)
    await tour(client, accounts, runtime, secrets)
    assert len(secrets.seen) > 60
    events = await all_events(runtime)
    assert secrets.among(events) == set()
    assert {event.kind for event in events} >= OF_FACTORS
