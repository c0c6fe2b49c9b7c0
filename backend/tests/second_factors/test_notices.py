"""Whatever is done to the second factors of an account, its user learns of it by one mail."""

import httpx2
import pytest
from sqlalchemy import update

from app.mail.messages import NoticeEvent
from app.mail.rendering import render
from app.mail.samples import find_sample
from app.models import Passkey
from app.runtime import Runtime
from tests.accounts import Accounts
from tests.authenticator import Authenticator
from tests.configuring import load
from tests.factors import (
    Guarded,
    add_passkey,
    enrol_app,
    finish,
    forget_last_step,
    page_of,
    pending_of,
    sign_in_with_passkey,
    wrong_code_of,
)
from tests.mailed.inbox import Letter, letters
from tests.mailed.recovering import ADA, NOTICE, proved
from tests.rows import change_user, write

FACTOR_EVENTS = [event for event in NoticeEvent if event.value.startswith(("factor", "codes", "recovery", "passkey"))]


async def told(runtime: Runtime) -> list[str]:
    """Return what the notices to Ada say that happened, the oldest first."""
    return [first_line(mail) for mail in await letters(runtime, ADA, NOTICE)]


def first_line(mail: Letter) -> str:
    return next(line for line in mail.text.splitlines() if line and not line.startswith("Hello"))


async def guarded(accounts: Accounts, runtime: Runtime) -> Guarded:
    """Return somebody whose address is proved, with an app."""
    ada = await enrol_app(await proved(accounts, runtime))
    await forget_last_step(runtime)
    return ada


async def test_an_app_that_is_added_replaced_and_removed_is_told_each_time(
    accounts: Accounts, runtime: Runtime
) -> None:
    """SE-05, V6.3.7."""
    ada = await guarded(accounts, runtime)
    added = "A second factor was added to your account. (authenticator app)"
    assert await told(runtime) == [added]
    await enrol_app(ada.person)
    assert await told(runtime) == [added, added]
    assert (await ada.person.call("DELETE", "/auth/me/totp")).status_code == 204
    assert await told(runtime) == [
        added,
        added,
        "A second factor was removed from your account. (authenticator app)",
    ]


async def test_a_passkey_is_told_by_its_name(accounts: Accounts, runtime: Runtime) -> None:
    """SE-05: which one, so that its owner knows whether it is theirs."""
    ada = await proved(accounts, runtime)
    added = await add_passkey(ada, Authenticator(page_of(runtime)), name="Work laptop")
    assert (await ada.call("DELETE", f"/auth/me/passkeys/{added['passkey']['id']}")).status_code == 204
    assert await told(runtime) == [
        "A second factor was added to your account. (passkey: Work laptop)",
        "A second factor was removed from your account. (passkey: Work laptop)",
    ]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("totp", "(passkey: totp)"),
        ("<b>Sign in</b> at https://evil.example/x", "(passkey: <b>Sign in<"),
        ("\u202egnp.exe", None),
        ("authenticator app) If it was you, click www.evil.example", "(passkey: authenticator app)"),
    ],
)
async def test_a_name_can_say_nothing_in_a_mail_but_itself(
    accounts: Accounts, runtime: Runtime, name: str, shown: str | None
) -> None:
    """SE-05, V1.3.7: no link, no markup, no other kind of factor; a text that turns round is not even taken."""
    ada = await proved(accounts, runtime)
    begun = (await ada.post("/auth/me/passkeys/options")).json()
    credential = Authenticator(page_of(runtime)).create(begun["publicKey"])
    body = {"name": name, "ceremony": begun["ceremony"], "credential": credential}
    answer = await ada.post("/auth/me/passkeys", json=body)
    if shown is None:
        assert answer.status_code == 422
        return
    assert answer.status_code == 201, answer.text
    (line,) = await told(runtime)
    assert shown in line
    assert "evil.example" not in line
    assert "://" not in line


async def test_a_code_of_the_list_that_is_used_is_told_and_also_when_few_are_left(
    accounts: Accounts, runtime: Runtime, client: httpx2.AsyncClient
) -> None:
    """SE-04, SE-05: one mail for each."""
    ada = await guarded(accounts, runtime)
    used: list[str] = []
    for number, code in enumerate(ada.recovery_codes, start=1):
        done = await finish(client, await pending_of(client, ada.person), method="recovery_code", code=code)
        assert done.status_code == 200, done.text
        used = [line for line in await told(runtime) if line.startswith("One of your recovery codes")]
        left = len(ada.recovery_codes) - number
        if len(used) == number:
            assert used[-1].endswith(f"({left})")
            assert ("few are left" in used[-1]) == (left <= 3)
    assert 3 < len(used) <= 10


async def test_a_new_set_of_recovery_codes_is_told(accounts: Accounts, runtime: Runtime) -> None:
    """SE-05: the codes on the owner's paper are worthless from then on."""
    ada = await guarded(accounts, runtime)
    assert (await ada.person.post("/auth/me/recovery-codes")).status_code == 200
    made = "New recovery codes were made for your account. The ones before do not count any more."
    assert (await told(runtime))[1:] == [made]


async def test_wrong_codes_after_a_right_password_are_told_once(
    accounts: Accounts, runtime: Runtime, client: httpx2.AsyncClient
) -> None:
    """V6.3.5, TO-07: somebody knows the password. Whoever goes on is not told again, and again."""
    ada = await guarded(accounts, runtime)
    wrong = wrong_code_of(ada.secret)
    pending = await pending_of(client, ada.person)
    for _ in range(5):
        assert (await finish(client, pending, method="totp", code=wrong)).status_code == 403
    pending = await pending_of(client, ada.person)
    assert (await finish(client, pending, method="totp", code=wrong)).status_code == 429
    assert [line[:60] for line in (await told(runtime))[1:]] == [
        "Somebody signed in to your account as far as the second fact"
    ]


async def test_a_copied_passkey_is_told(accounts: Accounts, runtime: Runtime, client: httpx2.AsyncClient) -> None:
    """WA-12: by its name."""
    ada = await proved(accounts, runtime)
    device = Authenticator(page_of(runtime))
    await add_passkey(ada, device, name="Security key")
    await write_counter(runtime, 1000)
    assert (await sign_in_with_passkey(client, device)).status_code == 403
    (line,) = (await told(runtime))[1:]
    assert line.startswith("A passkey of yours answered in a way that only a copy of it would")
    assert line.endswith("(Security key)")


async def write_counter(runtime: Runtime, value: int) -> None:
    await write(runtime, update(Passkey).values(sign_count=value))


async def test_an_address_that_nobody_has_proved_gets_no_mail_of_it(accounts: Accounts, runtime: Runtime) -> None:
    """3.7-03: it may be a stranger's, whom somebody would have us write to."""
    await enrol_app(await accounts.signed_in(ADA))
    assert await told(runtime) == []


async def test_a_notice_is_in_its_reader_s_language(accounts: Accounts, runtime: Runtime) -> None:
    ada = await proved(accounts, runtime)
    await change_user(runtime, ada, locale="de")
    await enrol_app(ada)
    (mail,) = await letters(runtime, ADA, NOTICE)
    assert "Ihrem Konto wurde ein zweiter Faktor hinzugefügt. (Authenticator-App)" in mail.text


@pytest.mark.parametrize("locale", ["en", "de"])
@pytest.mark.parametrize("event", FACTOR_EVENTS)
def test_each_event_can_be_looked_at_before_it_happens(event: NoticeEvent, locale: str) -> None:
    """`ostiary mail preview` shows it, in both parts, with what it leaves open."""
    settings = load()
    sample = find_sample(settings, event.value, locale)
    assert sample is not None
    rendered = render(settings, sample)
    for part in (rendered.text, rendered.html):
        assert "None" not in part
        assert "Factor." not in part
    assert len(FACTOR_EVENTS) == 8
