from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from sqlalchemy import select

from app.models import Role, User
from app.models.role import ADMINISTRATOR
from app.runtime import Runtime
from app.services.administrators import SETUP_CODE_TTL, new_setup_code
from tests.accounts import PASSWORD, Accounts, Person
from tests.answers import CANARY, check_nothing_repeated
from tests.contention import at_once, uncommitted, waiting_for_a_lock
from tests.pages.html import Page
from tests.rows import active_administrators, count, everything

EMAIL = "ada@example.com"
WRONG_CODE = "SETUP_CODE_INVALID"


def code_of(runtime: Runtime, *, age: timedelta = timedelta()) -> str:
    """Return the code of an installation that was started so long ago."""
    return new_setup_code(runtime.settings, now=datetime.now(UTC) - age)


async def set_up(client: httpx2.AsyncClient, code: str, **changes: str) -> httpx2.Response:
    """Send the form as a browser does, an empty name included."""
    form = {"code": code, "email": EMAIL, "full_name": "", "password": PASSWORD, **changes}
    return await client.post("/setup", data=form)


def page_of(response: httpx2.Response, status: int) -> Page:
    """Return the page of an answer, which must be one for people."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    page = Page(response.text)
    assert page.inline == []
    return page


async def test_the_page_has_a_form_that_goes_back_to_this_server(client: httpx2.AsyncClient) -> None:
    """S83, PW-08: nothing is loaded from elsewhere, and nothing hinders a password manager."""
    response = await client.get("/setup")
    page = page_of(response, 200)
    assert set(page.addresses) == {"/assets/page.css", "/assets/setup.js", "/setup", "data:,"}
    assert 'autocomplete="new-password"' in response.text
    assert 'autocomplete="username"' in response.text


async def test_the_code_makes_the_first_administrator(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """S44, V6.3.2."""
    page = page_of(await set_up(client, code_of(runtime)), 200)
    assert EMAIL in page.text
    ada = await Person(client, "", EMAIL, PASSWORD).sign_in()
    me = (await ada.get("/auth/me")).json()
    assert (me["role"], me["full_name"]) == (ADMINISTRATOR, None)
    assert (await ada.get("/users/")).status_code == 200


async def test_the_code_may_be_typed_as_people_type(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    code = code_of(runtime)
    page_of(await set_up(client, f"  {code[:8].upper()}-{code[8:16]} {code[16:]} "), 200)
    assert await active_administrators(runtime) == 1


async def test_a_wrong_code_makes_nobody_an_administrator(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """S44, V6.3.2: and costs no hash, so that guessing costs the server nothing."""
    before = runtime.hashing.computed
    code = code_of(runtime)
    wrong = ["x", code[:-1], code + "a", "a" * len(code), code[1:] + code[0], "é" * 20, "=" * 34, "\u0000" * 8]
    for guess in wrong:
        page = page_of(await set_up(client, guess), 403)
        assert WRONG_CODE in page.text
    assert runtime.hashing.computed == before
    assert await count(runtime, User) == 0


async def test_the_code_of_another_installation_is_wrong(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """S44: it comes from this server's secret."""
    other = runtime.settings.model_copy(update={"SECRET_KEY": type(runtime.settings.SECRET_KEY)("x" * 40)})
    page_of(await set_up(client, new_setup_code(other, now=datetime.now(UTC))), 403)
    assert await count(runtime, User) == 0


async def test_an_expired_code_is_refused(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """S44: a day in a log is long enough."""
    page = page_of(await set_up(client, code_of(runtime, age=SETUP_CODE_TTL + timedelta(seconds=1))), 403)
    assert WRONG_CODE in page.text
    assert await count(runtime, User) == 0
    page_of(await set_up(client, code_of(runtime, age=SETUP_CODE_TTL - timedelta(minutes=1))), 200)


async def test_the_code_works_once(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """S44, 3.4-10: neither the same person nor another one gets in again, and nobody is left over."""
    code = code_of(runtime)
    page_of(await set_up(client, code), 200)
    for email in (EMAIL, "mallory@example.com"):
        response = await set_up(client, code, email=email)
        assert response.status_code in {403, 409}
        page_of(response, response.status_code)
    assert await count(runtime, User) == await active_administrators(runtime) == 1


async def test_no_code_works_once_there_is_an_administrator(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """S44: however that one came to be."""
    await accounts.administrator()
    page = page_of(await set_up(client, code_of(runtime)), 403)
    assert WRONG_CODE in page.text
    assert await count(runtime, User) == 1


@pytest.mark.only("postgresql")
async def test_of_twenty_at_once_one_becomes_administrator(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """S44, 3.4-10, V15.4.2: twenty addresses, one code, and the losers leave no account behind."""
    code = code_of(runtime)
    names = iter(range(20))
    responses = await at_once(20, lambda: set_up(client, code, email=f"person{next(names)}@example.com"))
    assert sorted(response.status_code for response in responses) == [200] + [403] * 19
    assert await count(runtime, User) == await active_administrators(runtime) == 1


@pytest.mark.only("postgresql")
async def test_of_two_at_the_same_point_one_becomes_administrator(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """S44, 3.4-10, V15.4.2: both have added their account and seen no other administrator; only one may commit."""
    code = code_of(runtime)
    held = select(Role.name).where(Role.name == ADMINISTRATOR).with_for_update(key_share=True)
    async with uncommitted(runtime, held):
        ada = await waiting_for_a_lock(runtime, set_up(client, code, email="ada@example.com"), waiters=1)
        eve = await waiting_for_a_lock(runtime, set_up(client, code, email="eve@example.com"), waiters=2)
    assert sorted([(await ada).status_code, (await eve).status_code]) == [200, 403]
    assert await count(runtime, User) == await active_administrators(runtime) == 1


async def test_looking_at_the_page_spends_nothing(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """3.6-11: a mail scanner or a preview that follows the link leaves the code as it was."""
    code = code_of(runtime)
    before = await everything(runtime)
    for _ in range(3):
        page_of(await client.get("/setup", params={"code": code}), 200)
        await client.head("/setup", params={"code": code})
    assert await everything(runtime) == before
    page_of(await set_up(client, code), 200)


async def test_a_code_in_the_address_is_not_taken(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """OA-15, V14.2.1: a query is logged on its way; the form alone counts."""
    form = {"email": EMAIL, "full_name": "", "password": PASSWORD}
    page_of(await client.post("/setup", params={"code": code_of(runtime)}, data=form), 422)
    assert await count(runtime, User) == 0


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": "no address"}, "email"),
        ({"email": "Evil <b@example.com>"}, "email"),
        ({"email": ""}, "email"),
        ({"email": "a" * 300 + "@example.com"}, "email"),
        ({"password": "short"}, "password"),
        ({"password": "password1234"}, "password"),
        ({"password": "x" * 300}, "password"),
        ({"full_name": "line\nbreak"}, "full name"),
        ({"full_name": "n" * 201}, "full name"),
        ({"code": "a" * 81}, "code"),
        ({"role": "admin"}, "role"),
    ],
)
async def test_what_is_wrong_with_a_field_is_said_on_a_page(
    client: httpx2.AsyncClient, runtime: Runtime, changes: dict[str, str], field: str
) -> None:
    """S25, S26, S32, S40, 3.8-01: the same rules as everywhere, and the code is not spent."""
    code = code_of(runtime)
    page = page_of(await set_up(client, **{"code": code, **changes}), 422)
    assert f"{field}: " in page.text
    assert "VALIDATION_FAILED" in page.text
    assert await count(runtime, User) == 0
    page_of(await set_up(client, code), 200)


@pytest.mark.parametrize("field", ["code", "email", "password", "full_name"])
async def test_a_refusal_never_repeats_what_was_typed(client: httpx2.AsyncClient, runtime: Runtime, field: str) -> None:
    """S87, PD-02, 3.8-08: above all not the password, and nothing that could be markup."""
    typed = f"{CANARY}<script>alert(1)</script>\u0000"
    response = await set_up(client, **{"code": code_of(runtime), "password": f"{CANARY} short", field: typed})
    page = page_of(response, response.status_code)
    assert response.status_code in {403, 422}
    assert "script" not in page.tags
    check_nothing_repeated(response)


async def test_the_name_of_an_unknown_field_is_shown_as_text(client: httpx2.AsyncClient) -> None:
    """3.8-08: the page says which field it means, whatever that is called."""
    name = "<script>alert(1)</script>"
    page = page_of(await set_up(client, "wrong", **{name: "x"}), 422)
    assert "script" not in page.tags
    assert "alert(1)" in page.text


async def test_a_wrong_code_does_not_show_the_password_either(client: httpx2.AsyncClient) -> None:
    """S87, PD-02."""
    response = await set_up(client, "wrong", password=f"{CANARY} {PASSWORD}")
    page_of(response, 403)
    check_nothing_repeated(response, PASSWORD)


async def test_an_address_with_markup_is_shown_as_text(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """3.8-08, V1.2.1: on the page that greets the administrator too."""
    odd = "a&b'c@example.com"
    response = await set_up(client, code_of(runtime), email=odd)
    assert odd in page_of(response, 200).text
    assert odd not in response.text


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", None])
async def test_another_media_type_is_refused(
    client: httpx2.AsyncClient, runtime: Runtime, content_type: str | None
) -> None:
    """3.2-06, V3.5.2."""
    headers = {"Content-Type": content_type} if content_type else {}
    body = f"code={code_of(runtime)}&email={EMAIL}&password={PASSWORD}"
    response = await client.post("/setup", content=body, headers=headers)
    assert response.status_code in {400, 415, 422}
    assert await count(runtime, User) == 0


async def test_every_refusal_carries_its_number(client: httpx2.AsyncClient) -> None:
    """PD-01: a person can name it."""
    response = await set_up(client, "wrong")
    assert response.headers["x-request-id"] in page_of(response, 403).text
