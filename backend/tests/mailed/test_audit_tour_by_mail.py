"""The audit log over a tour of everything that is done by mail: what it tells, and that no row holds a secret."""

import httpx2
import pytest

from app.models import AuditKind
from app.runtime import Runtime
from tests.accounts import Person
from tests.audit import all_events
from tests.canaries import NEW_PASSWORD, PASSWORD, WRONG, Secrets
from tests.mailed.inbox import letters, newest
from tests.mailed.recovering import (
    ADA,
    CONFIRM,
    GRACE,
    NEW,
    NOTE,
    NOTICE,
    RESET,
    ask_for,
    confirm,
    disown,
    forget,
    move,
    reset,
)
from tests.mailed.registering import Tab, log_in, made, resend
from tests.mailed_codes import another, ask, code_of

GUESS = "canary-Nw2-a-token-that-nobody-has-mailed"
BY_MAIL = {
    AuditKind.SESSION_CREATED,
    AuditKind.SESSION_ENDED,
    AuditKind.SIGN_IN_CODE_REQUESTED,
    AuditKind.SIGN_IN_FAILED,
    AuditKind.USER_REGISTERED,
    AuditKind.USER_REGISTRATION_REFUSED,
    AuditKind.USER_VERIFICATION_REQUESTED,
    AuditKind.USER_ADDRESS_PROVED,
    AuditKind.USER_ADDRESS_PROOF_REFUSED,
    AuditKind.USER_INVITED,
    AuditKind.USER_INVITATION_REVOKED,
    AuditKind.USER_INVITATION_ACCEPTED,
    AuditKind.USER_INVITATION_REFUSED,
    AuditKind.USER_PASSWORD_CHANGED,
    AuditKind.USER_PASSWORD_RESET_REQUESTED,
    AuditKind.USER_PASSWORD_RESET,
    AuditKind.USER_PASSWORD_RESET_REFUSED,
    AuditKind.USER_ADDRESS_CHANGE_REQUESTED,
    AuditKind.USER_ADDRESS_CHANGED,
    AuditKind.USER_ADDRESS_CHANGE_REFUSED,
    AuditKind.USER_CHANGE_UNDONE,
    AuditKind.USER_UNDO_REFUSED,
    AuditKind.USER_GAVE_WAY,
    AuditKind.MAIL_HELD_BACK,
}
"""Each of them must be come past, or the tour would prove little."""


class Tour:
    """Somebody's way through the mails, with every mistake that people make on it."""

    def __init__(self, http: httpx2.AsyncClient, runtime: Runtime, secrets: Secrets) -> None:
        self._http, self._runtime, self._secrets = http, runtime, secrets

    async def _pasted(self, secret: str) -> None:
        """Put a secret where it does not belong: into the address, and into the name of the program."""
        headers = {"User-Agent": f"curl {secret}"}
        body = {"email": secret, "code": "12345678", "new_password": WRONG}
        assert (await self._http.post("/api/v1/auth/password/reset", json=body, headers=headers)).status_code == 400

    async def _guess(self, code: str) -> str:
        wrong = another(code)
        self._secrets.seen.add(wrong)
        return wrong

    async def register(self) -> None:
        tab = Tab(self._http)
        for _ in range(2):
            assert (await tab.register(ADA, PASSWORD)).status_code == 202
        assert (await resend(self._http)).status_code == 202
        mail = await newest(self._runtime, ADA, "verify_address")
        for brought in ({"token": GUESS}, {"email": ADA, "code": await self._guess(mail.code)}):
            assert (await tab.confirm(**brought)).status_code == 400
        await self._pasted(mail.token)
        assert (await tab.confirm(token=mail.token)).status_code in {200, 204}
        assert (await log_in(self._http, ADA, PASSWORD)).status_code == 200

    async def sign_in(self) -> None:
        asked = await ask(self._http, ADA)
        code = await code_of(self._runtime)
        assert (await asked.type(await self._guess(code))).status_code == 400
        assert (await asked.type(code)).status_code == 200

    async def recover(self) -> Person:
        assert (await forget(self._http, ADA)).status_code == 202
        mail = await newest(self._runtime, ADA, RESET)
        wrong = await self._guess(mail.code)
        assert (await reset(self._http, NEW_PASSWORD, email=ADA, code=wrong)).status_code == 400
        await self._pasted(mail.token)
        assert (await reset(self._http, NEW_PASSWORD, token=mail.token)).status_code == 204
        return await Person(self._http, "", ADA, NEW_PASSWORD).sign_in()

    async def move(self, ada: Person) -> None:
        """Ada's account moves, somebody takes the address that is free, and Ada says that it was not her."""
        assert (await ask_for(ada)).status_code == 202
        mail = await newest(self._runtime, NEW, CONFIRM)
        wrong = await self._guess(mail.code)
        assert (await confirm(ada, email=NEW, code=wrong)).status_code == 400
        await move(self._runtime, ada)
        change = {"current_password": NEW_PASSWORD, "new_password": PASSWORD}
        assert (await ada.post("/auth/me/password", json=change)).status_code == 204
        assert (await Tab(self._http).register(ADA, WRONG)).status_code == 202
        for kind, expected in ((NOTE, 204), (NOTE, 400), (NOTICE, 400)):
            at = NEW if kind == NOTICE else ADA
            assert (await disown(self._http, await newest(self._runtime, at, kind))).status_code == expected

    async def invite(self) -> None:
        root = await made(self._http, self._runtime, GRACE)
        for is_revoked in (True, False):
            answer = await root.post("/invitations/", json={"email": "invited@example.com"})
            assert answer.status_code == 202
            token = (await newest(self._runtime, "invited@example.com")).token
            await self._pasted(token)
            (invitation,) = (await root.get("/invitations/")).json()["items"]
            if is_revoked:
                assert (await root.call("DELETE", f"/invitations/{invitation['id']}")).status_code == 204
            body = {"token": token, "password": PASSWORD}
            accepted = await self._http.post("/api/v1/invitations/accept", json=body)
            assert accepted.status_code == (400 if is_revoked else 201)

    async def ask_too_often(self) -> None:
        for _ in range(self._runtime.settings.MAIL_PER_ADDRESS_PER_HOUR + 1):
            assert (await forget(self._http, GRACE)).status_code == 202


@pytest.mark.settings(EMAIL_VERIFICATION="required")
async def test_no_row_holds_a_secret_that_was_mailed(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """S41, V16.2.5, V14.1.2: tokens, codes, flows and passwords of a whole tour, in whichever field they were sent."""
    secrets = Secrets(client)
    tour = Tour(client, runtime, secrets)
    await tour.register()
    await tour.sign_in()
    await tour.move(await tour.recover())
    await tour.invite()
    await tour.ask_too_often()
    mails = await letters(runtime)
    mailed = {mail.token for mail in mails if mail.has_link} | {mail.code for mail in mails if mail.has_code}
    assert len(mailed) > 25
    secrets.seen |= {GUESS, *mailed}
    events = await all_events(runtime)
    assert secrets.among(events) == set()
    assert {event.kind for event in events} >= BY_MAIL
