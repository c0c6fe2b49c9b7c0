"""Sign-in with a mailed code, and by the link of the same mail."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import delete, select, update

from app.models import AuditKind, MailedProof, OutgoingMail, Purpose
from app.runtime import Runtime
from app.services.mailed.proofs import issue_proof
from tests.accounts import API, CLIENT, PASSWORD, Accounts
from tests.answers import problem_of, without_request_id
from tests.audit import event_of, events_of
from tests.contention import at_once
from tests.cookies import FOREIGN_PAGE, OWN_PAGE, set_cookies
from tests.mailed_codes import FLOW, SESSION, WRONG, Asked, another, ask, code_of, mail_texts, token_of
from tests.outbox import mails_of
from tests.rows import change_user, count, find_session, living_sessions, write
from tests.tokens import access_claims, session_id_of


async def test_the_code_of_the_mail_signs_in(client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime) -> None:
    """SE-03: one factor, and no second one."""
    ada = await accounts.register()
    asked = await ask(client, ada.email)
    response = await asked.type(await code_of(runtime))
    assert response.status_code == 200, response.text
    ada.tokens = response.json()
    assert (await ada.get("/auth/me")).json()["email"] == ada.email
    claims = access_claims(ada.tokens["access_token"])
    assert (claims["amr"], claims["acr"]) == (["email"], "aal1")
    assert (await find_session(runtime, session_id_of(ada))).methods == "email"


async def test_a_password_beside_a_mailed_code_is_no_second_factor(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """SE-03, 3.5-03: e-mail raises nobody to aal2."""
    ada = await accounts.register()
    await change_user(runtime, ada, email_verified_at=datetime.now(UTC))
    ada.tokens = (await (await ask(client, ada.email)).type(await code_of(runtime))).json()
    renewed = await ada.post("/auth/reauthenticate", json={"password": PASSWORD})
    assert renewed.status_code == 200, renewed.text
    assert access_claims(renewed.json()["access_token"])["acr"] == "aal1"


async def test_a_code_may_be_typed_as_people_type(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    ada = await accounts.register("Ada@Example.com")
    asked = await ask(client, "ADA@example.COM")
    code = await code_of(runtime)
    assert (await asked.type(f" {code[:4]}-{code[4:]} ")).status_code == 200
    assert len(await living_sessions(runtime, ada)) == 1


async def test_a_code_counts_with_the_flow_of_whoever_asked_alone(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """SE-03: who reads the code over a shoulder, or asks for another one, cannot use it; nor does it cost a try."""
    ada = await accounts.register()
    asked = await ask(client, ada.email)
    code = await code_of(runtime)
    other = await ask(client, (await accounts.register()).email)
    for thief in (Asked(client, ada.email, other.flow), Asked(client, ada.email, None), Asked(client, ada.email, "x")):
        for _ in range(3):
            problem_of(await thief.type(code), 400, WRONG)
    assert (await asked.type(code)).status_code == 200


async def test_the_link_signs_in_in_the_browser_that_asked_alone(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.3-10: nobody signs a stranger's browser in by sending a link of their own."""
    ada = await accounts.register()
    asked = await ask(client, ada.email, transport="cookie")
    assert asked.flow is None
    token = await token_of(runtime)
    for other in (Asked(client, ada.email, None), Asked(client, ada.email, None, "x" * 43)):
        problem_of(await other.sign_in(token=token, transport="cookie"), 400, WRONG)
    response = await asked.sign_in(token=token, transport="cookie")
    assert response.status_code == 200, response.text
    cookies = {cookie.name: cookie for cookie in set_cookies(response)}
    assert cookies[SESSION].attributes["HttpOnly"] is None
    assert cookies[FLOW].attributes["Max-Age"] == "0"


async def test_the_cookie_of_a_flow_is_kept_from_scripts_and_other_hosts(
    client: httpx2.AsyncClient, accounts: Accounts
) -> None:
    """CK-05, CK-01."""
    ada = await accounts.register()
    body = {"email": ada.email}
    response = await client.post(f"{API}/auth/code/request?transport=cookie", json=body, headers=OWN_PAGE)
    (cookie,) = set_cookies(response)
    expected = {"Max-Age": "600", "Path": "/", "Secure": None, "HttpOnly": None, "SameSite": "Lax"}
    assert (cookie.name, dict(cookie.attributes)) == (FLOW, expected)
    assert cookie.value not in response.text


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("transport", ["bearer", "cookie"])
async def test_whoever_asks_until_no_more_mail_comes_signs_in_with_any_that_came(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime, transport: str, which: int
) -> None:
    """3.7-08: the third time there is no mail, and nothing tells; the codes of before go on counting where they were asked for."""
    ada = await accounts.register()
    asked = await ask(client, ada.email, transport=transport)
    codes = [await code_of(runtime)]
    for _ in range(2):
        asked = await ask(client, ada.email, transport=transport, before=asked)
    assert len(await mail_texts(runtime)) == 2
    codes.append(await code_of(runtime))
    assert (await asked.type(codes[which])).status_code == 200


async def test_wrong_codes_of_whoever_asked_twice_count_for_both_mails(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.7-09, SE-03: asking again gives no further guesses at the code of before."""
    ada = await accounts.register()
    first = await ask(client, ada.email)
    codes = [await code_of(runtime)]
    asked = await ask(client, ada.email, before=first)
    codes.append(await code_of(runtime))
    wrong = next(code for code in ("00000000", "00000001", "00000002") if code not in codes)
    for code in [wrong] * 5 + codes:
        problem_of(await asked.type(code), 400, WRONG)


async def test_a_flow_of_the_body_is_none_of_a_browser_s(client: httpx2.AsyncClient, accounts: Accounts) -> None:
    """3.3-10: no script gets to choose what the cookie holds."""
    ada = await accounts.register()
    chosen = Asked(client, ada.email, "x" * 43)
    assert (await ask(client, ada.email, transport="cookie", before=chosen)).cookie not in {"", chosen.flow}


@pytest.mark.parametrize("kept", ["tossed", "x" * 42, "x" * 43 + "; " + FLOW + "=" + "y" * 43, '"' + "x" * 41 + '"'])
async def test_a_flow_cookie_that_is_none_of_ours_does_not_stay(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime, kept: str
) -> None:
    """3.6-13: nor one of two, which may be a neighbour's."""
    ada = await accounts.register()
    asked = await ask(client, ada.email, transport="cookie", before=Asked(client, ada.email, None, kept))
    assert len(asked.cookie) == 43
    assert asked.cookie not in kept
    assert (await asked.type(await code_of(runtime))).status_code == 200


@pytest.mark.parametrize("flow", ["", "x", "x" * 44, "x" * 42 + "\n"])
async def test_a_flow_that_is_none_of_ours_is_not_taken(client: httpx2.AsyncClient, flow: str) -> None:
    body = {"email": "ada@example.com", "flow": flow}
    problem_of(await client.post(f"{API}/auth/code/request", json=body), 422, "VALIDATION_FAILED")


async def test_two_flow_cookies_are_none(client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime) -> None:
    """3.6-13: one of them is a neighbour's."""
    ada = await accounts.register()
    asked = await ask(client, ada.email, transport="cookie")
    asked.cookie = f"{asked.cookie}; {FLOW}=tossed"
    problem_of(await asked.type(await code_of(runtime)), 400, WRONG)


async def test_a_page_of_another_site_neither_asks_nor_signs_in_with_cookies(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.3-10, CK-03."""
    ada = await accounts.register()
    asked = await ask(client, ada.email, transport="cookie")
    cookie = {"Cookie": f"{FLOW}={asked.cookie}"}
    body = {"email": ada.email, "code": await code_of(runtime)}
    for path, sent in (("request?transport=cookie", {"email": ada.email}), ("sign-in?transport=cookie", body)):
        response = await client.post(f"{API}/auth/code/{path}", json=sent, headers={**FOREIGN_PAGE, **cookie})
        problem_of(response, 403, "CROSS_SITE_REQUEST")
    response = await client.post(f"{API}/auth/code/sign-in", json=body, headers={**FOREIGN_PAGE, **cookie})
    problem_of(response, 403, "CROSS_SITE_REQUEST")
    assert (await asked.type(body["code"])).status_code == 200


async def test_a_client_without_cookies_gets_no_link(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """A link would open in a browser that never asked."""
    ada = await accounts.register()
    await ask(client, ada.email)
    [text] = await mail_texts(runtime)
    assert "/mail/sign-in" not in text


async def test_known_unknown_and_disabled_addresses_are_answered_alike(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.7-02, 3.3-16: the mail alone differs: there is none."""
    ada, eve = await accounts.register(), await accounts.register()
    await change_user(runtime, eve, is_active=False)
    answers = []
    for email in (ada.email, eve.email, "nobody@example.com"):
        response = await client.post(
            f"{API}/auth/code/request?transport=cookie", json={"email": email}, headers=OWN_PAGE
        )
        status, body, headers = without_request_id(response)
        assert headers.pop("set-cookie").startswith(f"{FLOW}=")
        answers.append((status, response.content, body, headers))
    assert answers[0] == answers[1] == answers[2]
    assert [mail.recipient for mail in await mails_of(runtime)] == [ada.email]
    causes = [(event.outcome, event.cause) for event in await events_of(runtime, AuditKind.SIGN_IN_CODE_REQUESTED)]
    assert causes == [("success", None), ("refused", "user_disabled"), ("refused", "unknown_address")]


async def test_the_audit_log_masks_an_unknown_address(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    await ask(client, "nobody@example.com")
    event = await event_of(runtime, AuditKind.SIGN_IN_CODE_REQUESTED)
    assert (event.subject, event.target_id) == ("n***@example.com", None)


async def test_a_mail_of_before_the_account_signs_nobody_in(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.3-17: what counts for an address alone does not open the one that takes it meanwhile."""
    async with runtime.database.begin(CLIENT) as work:
        made = await issue_proof(
            work,
            purpose=Purpose.SIGN_IN,
            email_normal="late@example.com",
            valid_for=timedelta(minutes=10),
            binding="kept",
        )
    await accounts.register("late@example.com")
    late = Asked(client, "late@example.com", "kept")
    problem_of(await late.type(made.code or ""), 400, WRONG)
    problem_of(await late.sign_in(token=made.token), 400, WRONG)


async def test_a_code_counts_ten_minutes(client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime) -> None:
    """SE-03."""
    ada = await accounts.register()
    for left, status in ((timedelta(seconds=-1), 400), (timedelta(seconds=10), 200)):
        await write(runtime, delete(MailedProof))
        asked = await ask(client, ada.email)
        (proof,) = await runtime.database.read.entities(select(MailedProof))
        assert proof.expires_at - proof.created_at == timedelta(minutes=10)
        await write(runtime, update(MailedProof).values(expires_at=datetime.now(UTC) + left))
        assert (await asked.type(await code_of(runtime))).status_code == status


async def test_five_wrong_codes_are_the_last(client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime) -> None:
    """3.7-09, SE-03: then not even the right one counts; the link does."""
    ada = await accounts.register()
    asked = await ask(client, ada.email, transport="cookie")
    code = await code_of(runtime)
    for _ in range(5):
        problem_of(await asked.type(another(code)), 400, WRONG)
    problem_of(await asked.type(code), 400, WRONG)
    assert (await asked.sign_in(token=await token_of(runtime), transport="cookie")).status_code == 200


async def test_whoever_asks_for_a_code_leaves_the_ones_of_others_alone(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.7-08: else a stranger who asks again and again would keep the owner from signing in. Each counts with its own flow."""
    ada = await accounts.register()
    owner = await ask(client, ada.email)
    mine = await code_of(runtime)
    stranger = await ask(client, ada.email)
    theirs = await code_of(runtime)
    problem_of(await stranger.type(mine if mine != theirs else another(theirs)), 400, WRONG)
    problem_of(await owner.type(theirs if mine != theirs else another(mine)), 400, WRONG)
    assert (await owner.type(mine)).status_code == 200


async def test_code_and_link_of_one_mail_count_once_together(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.4-07."""
    ada = await accounts.register()
    asked = await ask(client, ada.email, transport="cookie")
    code, token = await code_of(runtime), await token_of(runtime)
    assert (await asked.type(code)).status_code == 200
    problem_of(await asked.type(code), 400, WRONG)
    problem_of(await asked.sign_in(token=token, transport="cookie"), 400, WRONG)


@pytest.mark.parametrize("way", ["code", "link"])
async def test_of_twenty_at_once_one_signs_in(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime, way: str
) -> None:
    """3.4-07: twenty in parallel."""
    ada = await accounts.register()
    asked = await ask(client, ada.email, transport="cookie")
    body = {"email": ada.email, "code": await code_of(runtime)} if way == "code" else {"token": await token_of(runtime)}
    responses = await at_once(20, lambda: asked.sign_in(**body))
    assert sorted(response.status_code for response in responses) == [200] + [400] * 19
    assert len(await living_sessions(runtime, ada)) == 1


async def test_no_value_of_another_purpose_signs_in(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.4-09."""
    ada = await accounts.register()
    asked = await ask(client, ada.email, transport="cookie")
    code, token = await code_of(runtime), await token_of(runtime)
    for purpose in set(Purpose) - {Purpose.SIGN_IN}:
        await write(runtime, update(MailedProof).values(purpose=purpose.value))
        problem_of(await asked.type(code), 400, WRONG)
        problem_of(await asked.sign_in(token=token, transport="cookie"), 400, WRONG)
    await write(runtime, update(MailedProof).values(purpose=Purpose.SIGN_IN.value))
    assert (await asked.sign_in(token=token, transport="cookie")).status_code == 200


async def test_a_refused_code_is_audited_without_being_told(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """V16.2.5: masked address, no code."""
    ada = await accounts.register("ada@example.com")
    asked = await ask(client, ada.email)
    wrong = another(await code_of(runtime))
    problem_of(await asked.type(wrong), 400, WRONG)
    event = await event_of(runtime, AuditKind.SIGN_IN_FAILED)
    assert (event.cause, event.subject, event.detail) == (WRONG, "a***@example.com", {"method": "email"})
    assert wrong not in repr([vars(row) for row in await events_of(runtime, AuditKind.SIGN_IN_FAILED)])


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "ada@example.com"},
        {"code": "12345678"},
        {"email": "ada@example.com", "token": "x"},
        {"email": "ada@example.com", "code": "12345678", "token": "x"},
        {"token": None},
    ],
    ids=str,
)
async def test_either_code_or_link_is_sent(client: httpx2.AsyncClient, body: dict[str, Any]) -> None:
    problem_of(await client.post(f"{API}/auth/code/sign-in", json=body), 422, "VALIDATION_FAILED")


@pytest.mark.settings(MAIL_SIGN_IN="off")
async def test_it_can_be_switched_off(client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime) -> None:
    ada = await accounts.register()
    for path in ("request", "sign-in"):
        problem_of(await client.post(f"{API}/auth/code/{path}", json={"email": ada.email}), 404, "NOT_FOUND")
    page = await client.get("/mail/sign-in")
    assert (page.status_code, "<form" in page.text) == (200, False)
    for path in ("/mail/sign-in", "/mail/sign-in/mail"):
        assert (await client.post(path, data={"email": ada.email})).status_code in {404, 405}
    assert await count(runtime, OutgoingMail) == 0


async def test_mail_goes_to_the_stored_address(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.3-19: never to what was typed."""
    await accounts.register("Ada.Lovelace@example.com")
    await ask(client, "ada.LOVELACE@EXAMPLE.com")
    (mail,) = await mails_of(runtime)
    assert mail.recipient == "Ada.Lovelace@example.com"
