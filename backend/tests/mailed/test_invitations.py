"""Invitations: who may send one, what it is worth, to whom, how often and for how long."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx2
import pytest
from sqlalchemy import delete, insert

from app.models import AuditKind, Identity, MailedProof, Purpose, RolePermission, User
from app.runtime import Runtime
from tests.accounts import API, PASSWORD, Accounts, Person
from tests.answers import field_error_of, problem_of
from tests.audit import event_of
from tests.mailed.inbox import letters, newest
from tests.mailed.proving import change_proofs, proofs_in
from tests.mailed.recovering import identity
from tests.mailed.registering import ADA, OTHERS_PASSWORD, log_in, made
from tests.rows import add_role, change_user, count, everything, find_user, living_sessions, write

SAID = b'{"expires_in":604800}'


async def invite(person: Person, email: str = ADA, **more: str) -> httpx2.Response:
    return await person.post("/invitations/", json={"email": email, **more})


async def invited(person: Person, runtime: Runtime, **more: str) -> str:
    """Invite Ada, and return what stands in the link of her mail."""
    answer = await invite(person, **more)
    assert (answer.status_code, answer.content) == (202, SAID)
    mail = await newest(runtime, ADA)
    assert (mail.kind, mail.page) == ("invitation", "/mail/invitation")
    return mail.token


async def accept(http: httpx2.AsyncClient, token: str, **more: str) -> httpx2.Response:
    body = {"token": token, "password": PASSWORD, **more}
    return await http.post(f"{API}/invitations/accept", json=body)


@pytest.mark.parametrize(
    "mode",
    [
        pytest.param(mode, marks=pytest.mark.settings(SIGN_UP=mode, EMAIL_VERIFICATION="required"))
        for mode in ("open", "invite")
    ],
)
async def test_whoever_is_invited_makes_the_account_that_it_is_for(
    client: httpx2.AsyncClient, runtime: Runtime, mode: str
) -> None:
    """SIGN_UP: the mail proves the address, so that they come in at once where that is required."""
    assert mode == runtime.settings.SIGN_UP
    await add_role(runtime, "editor", rank=10)
    grace = await made(client, runtime)
    token = await invited(grace, runtime, role="editor")
    answer = await accept(client, token, full_name="Ada Lovelace")
    assert answer.status_code == 201
    account = answer.json()
    assert (account["email"], account["role"], account["full_name"]) == (ADA, "editor", "Ada Lovelace")
    assert (await log_in(client)).status_code == 200
    event = await event_of(runtime, AuditKind.USER_INVITATION_ACCEPTED)
    assert event.detail == {"role": "editor", "invited_by": grace.id}
    problem_of(await accept(client, token), 400, "MAILED_PROOF_INVALID")


@pytest.mark.settings(SIGN_UP="closed")
async def test_where_sign_up_is_closed_nobody_is_invited(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    problem_of(await invite(await made(client, runtime)), 403, "SIGN_UP_CLOSED")
    problem_of(await accept(client, "ost_mi_" + "A" * 43), 403, "SIGN_UP_CLOSED")


@pytest.mark.settings(SIGN_UP_DOMAINS="example.org")
async def test_an_invitation_is_for_whichever_domain_its_sender_chose(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    token = await invited(await made(client, runtime), runtime)
    assert (await accept(client, token)).status_code == 201


async def test_only_who_may_invite_does(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-03: and nobody else sees or ends what others have sent."""
    grace, ordinary = await accounts.administrator(), await accounts.signed_in()
    await invited(grace, runtime)
    (item,) = (await grace.get("/invitations/")).json()["items"]
    for answer in (
        await invite(ordinary),
        await ordinary.get("/invitations/"),
        await ordinary.call("DELETE", f"/invitations/{item['id']}"),
    ):
        problem_of(answer, 403, "PERMISSION_DENIED")
    assert len(await proofs_in(runtime)) == 1


async def test_nobody_invites_to_a_role_above_their_own(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-04: nor takes back an invitation to one."""
    await add_role(runtime, "host", "users:invite", rank=10)
    host, admin = await accounts.signed_in(), await accounts.administrator()
    await change_user(runtime, host, role_name="host")
    problem_of(await invite(host, role="admin"), 403, "PERMISSION_DENIED")
    assert field_error_of(await invite(host, role="nonsense")) == ("/role", "ROLE_UNKNOWN")
    assert await letters(runtime) == []
    await invited(admin, runtime, role="admin")
    (item,) = (await host.get("/invitations/")).json()["items"]
    problem_of(await host.call("DELETE", f"/invitations/{item['id']}"), 403, "PERMISSION_DENIED")
    assert len(await proofs_in(runtime)) == 1
    assert (await invite(host, "bob@example.com", role="host")).status_code == 202


async def test_an_inviter_learns_nothing_of_the_address(accounts: Accounts, runtime: Runtime) -> None:
    """3.7-02: who has an account is told so by the mail alone; the list shows both alike."""
    grace, known = await accounts.administrator(), await accounts.register()
    await change_user(runtime, known, email_verified_at=datetime.now(UTC))
    answers = [await invite(grace, email) for email in (known.email, "new@example.com")]
    assert {(answer.status_code, answer.content) for answer in answers} == {(202, SAID)}
    assert [mail.kind for mail in await letters(runtime, known)] == ["already_registered"]
    items = (await grace.get("/invitations/")).json()["items"]
    assert [item["email"] for item in items] == ["new@example.com", known.email]
    assert {frozenset(item) for item in items} == {
        frozenset({"id", "email", "role", "invited_by", "created_at", "expires_at"})
    }


@pytest.mark.parametrize("change", ["demoted", "disabled", "without the permission", "gone"])
async def test_an_invitation_ends_with_the_power_of_whoever_sent_it(
    accounts: Accounts, runtime: Runtime, change: str
) -> None:
    """3.5-02, 3.5-04: a dismissed administrator has left no door open."""
    grace = await accounts.administrator()
    await accounts.administrator()
    token = await invited(grace, runtime, role="admin")
    if change == "gone":
        await write(runtime, delete(User).where(User.email_normal == grace.email))
    elif change == "without the permission":
        await write(runtime, delete(RolePermission).where(RolePermission.permission == "users:invite"))
    else:
        values = {"role_name": "user"} if change == "demoted" else {"is_active": False}
        await change_user(runtime, grace, **values)
    problem_of(await accept(grace.http, token), 400, "MAILED_PROOF_INVALID")
    assert await count(runtime, User, User.email_normal == ADA) == 0


@pytest.mark.parametrize("whose", ["higher", "somebody else's"])
async def test_an_invitation_takes_the_place_of_no_higher_one_and_of_nobody_else_s(
    accounts: Accounts, runtime: Runtime, whose: str
) -> None:
    """3.5-04: whoever invites is told, no mail is sent, and the first invitation counts on until it is taken back."""
    grace = await accounts.administrator()
    later = grace if whose == "higher" else await accounts.administrator()
    token = await invited(grace, runtime, role="admin" if whose == "higher" else "user")
    problem_of(await invite(later, role="user"), 409, "INVITATION_OPEN")
    event = await event_of(runtime, AuditKind.USER_INVITATION_REFUSED)
    assert (event.actor_id, event.cause) == (UUID(later.id), "INVITATION_OPEN")
    assert len(await letters(runtime, ADA)) == 1
    (item,) = (await later.get("/invitations/")).json()["items"]
    assert (await later.call("DELETE", f"/invitations/{item['id']}")).status_code == 204
    anew = await invited(later, runtime, role="user")
    problem_of(await accept(grace.http, token), 400, "MAILED_PROOF_INVALID")
    assert (await accept(grace.http, anew)).json()["role"] == "user"


async def test_an_inviter_raises_their_own_invitation(accounts: Accounts, runtime: Runtime) -> None:
    grace = await accounts.administrator()
    await invited(grace, runtime, role="user")
    assert (await accept(grace.http, await invited(grace, runtime, role="admin"))).json()["role"] == "admin"


async def test_an_invitation_that_counts_no_more_is_in_nobody_s_way(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-02: one whose sender may not invite any more, and one that is too old."""
    first, second, third = [await accounts.administrator() for _ in range(3)]
    await invited(first, runtime, role="admin")
    await change_user(runtime, first, is_active=False)
    await invited(second, runtime)
    await change_proofs(runtime, expires_at=datetime.now(UTC))
    assert (await accept(third.http, await invited(third, runtime))).status_code == 201


async def test_of_many_who_invite_somebody_at_once_one_does(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-04: none takes the place of another that it has not seen."""
    inviters = [await accounts.administrator() for _ in range(5)]
    answers = await asyncio.gather(*(invite(person) for person in inviters))
    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 4
    assert (await accept(inviters[0].http, (await newest(runtime, ADA)).token)).status_code == 201


async def test_a_revoked_invitation_is_worth_nothing(accounts: Accounts, runtime: Runtime) -> None:
    grace = await accounts.administrator()
    token = await invited(grace, runtime)
    (item,) = (await grace.get("/invitations/")).json()["items"]
    assert (await grace.call("DELETE", f"/invitations/{item['id']}")).status_code == 204
    problem_of(await grace.call("DELETE", f"/invitations/{item['id']}"), 404, "NOT_FOUND")
    problem_of(await grace.call("DELETE", f"/invitations/{uuid4()}"), 404, "NOT_FOUND")
    problem_of(await accept(grace.http, token), 400, "MAILED_PROOF_INVALID")
    assert (await grace.get("/invitations/")).json() == {"items": []}


async def test_another_kind_of_mail_cannot_be_revoked_as_an_invitation(accounts: Accounts, runtime: Runtime) -> None:
    """3.4-09."""
    grace = await accounts.administrator()
    await grace.http.post(f"{API}/auth/password/forgot", json={"email": grace.email})
    (proof,) = [row for row in await proofs_in(runtime) if row.purpose == Purpose.RESET_PASSWORD]
    problem_of(await grace.call("DELETE", f"/invitations/{proof.id}"), 404, "NOT_FOUND")


async def test_an_invitation_counts_for_a_week_and_the_newest_alone(accounts: Accounts, runtime: Runtime) -> None:
    """PW-07."""
    grace = await accounts.administrator()
    first, second = await invited(grace, runtime), await invited(grace, runtime)
    (proof,) = await proofs_in(runtime)
    assert proof.expires_at - proof.created_at == timedelta(days=7)
    problem_of(await accept(grace.http, first), 400, "MAILED_PROOF_INVALID")
    await change_proofs(runtime, expires_at=datetime.now(UTC))
    problem_of(await accept(grace.http, second), 400, "MAILED_PROOF_INVALID")
    assert (await grace.get("/invitations/")).json() == {"items": []}


async def test_a_password_that_is_not_accepted_leaves_the_invitation_as_it_is(
    accounts: Accounts, runtime: Runtime
) -> None:
    grace = await accounts.administrator()
    token = await invited(grace, runtime)
    before = await everything(runtime)
    for weak in ("short", ADA):
        assert field_error_of(await accept(grace.http, token, password=weak))[0] == "/password"
    assert await everything(runtime) == before
    assert (await accept(grace.http, token)).status_code == 201


async def test_whoever_has_an_account_of_their_own_signs_in_to_that(accounts: Accounts, runtime: Runtime) -> None:
    """Made since the mail was written."""
    grace = await accounts.administrator()
    token = await invited(grace, runtime, role="admin")
    ada = await accounts.register(ADA)
    await change_user(runtime, ada, email_verified_at=datetime.now(UTC))
    problem_of(await accept(grace.http, token, password=OTHERS_PASSWORD), 409, "EMAIL_TAKEN")
    assert (await find_user(runtime, ada)).role_name == "user"
    assert (await log_in(grace.http)).status_code == 200


@pytest.mark.parametrize("first", ["attacker", "invitation"])
async def test_an_account_that_nobody_has_proved_gives_way_to_whoever_was_invited(
    accounts: Accounts, runtime: Runtime, first: str
) -> None:
    """3.3-03, 3.3-05: in both orders, nothing that a stranger has put there stays."""
    grace = await accounts.administrator()
    token = await invited(grace, runtime) if first == "invitation" else ""
    attacker = await (await accounts.register(ADA, password=OTHERS_PASSWORD)).sign_in()
    await write(runtime, insert(Identity).values(identity(attacker, "attacker", at=datetime.now(UTC))))
    token = token or await invited(grace, runtime)
    answer = await accept(grace.http, token)
    assert (answer.status_code, answer.json()["id"]) == (201, attacker.id)
    assert await living_sessions(runtime, attacker) == set()
    assert await count(runtime, Identity) == 0
    problem_of(await log_in(grace.http, password=OTHERS_PASSWORD), 401, "INVALID_CREDENTIALS")
    assert (await log_in(grace.http)).status_code == 200


async def test_of_many_who_accept_at_once_one_does(accounts: Accounts, runtime: Runtime) -> None:
    """3.4-05, 3.9-01."""
    grace = await accounts.administrator()
    token = await invited(grace, runtime)
    answers = await asyncio.gather(*(accept(grace.http, token) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [400] * 7
    assert await count(runtime, MailedProof) == 0


async def test_the_subject_of_the_mail_holds_nothing_of_the_inviter(accounts: Accounts, runtime: Runtime) -> None:
    """3.6-08: an invitation is no way to mail one's own text to strangers."""
    grace = await accounts.administrator()
    await change_user(runtime, grace, full_name="Win http://evil.example now")
    await invited(grace, runtime)
    mail = await newest(runtime, ADA)
    assert "http://evil.example" not in mail.text
