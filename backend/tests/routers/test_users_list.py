"""The list of accounts: who may read it, its order, its pages, and its search."""

import base64
from typing import Any
from uuid import UUID

import httpx2

from app.runtime import Runtime
from tests.accounts import API, Accounts, Person
from tests.answers import CANARY, check_nothing_repeated, checked_problem, field_error_of, field_errors_of, problem_of
from tests.rows import add_users

USERS = "/users/"


async def page(person: Person, **params: object) -> dict[str, Any]:
    response = await person.get(USERS, params=params)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    assert set(body) == {"items", "next_cursor"}
    return body


async def emails(person: Person, **params: object) -> set[str]:
    return {item["email"] for item in (await page(person, **params))["items"]}


async def test_only_those_with_the_permission_see_the_list(accounts: Accounts) -> None:
    """S13, S21: neither a stranger nor an ordinary user learns who else is here."""
    admin, ada = await accounts.administrator(), await accounts.signed_in()
    problem_of(await ada.http.get(API + USERS), 401, "NOT_AUTHENTICATED")
    problem_of(await ada.get(USERS), 403, "PERMISSION_DENIED")
    assert await emails(admin) == {admin.email, ada.email}


async def test_a_role_taken_away_takes_the_list_away_at_once(accounts: Accounts) -> None:
    """S54: with the same access token."""
    admin = await accounts.administrator()
    await accounts.set_role(admin, "user")
    problem_of(await admin.get(USERS), 403, "PERMISSION_DENIED")


async def test_the_list_holds_nothing_secret(accounts: Accounts) -> None:
    """S12, S13, 3.8-02."""
    admin = await accounts.administrator()
    response = await admin.get(USERS)
    assert set(response.json()["items"][0]) == {
        "id",
        "email",
        "email_verified",
        "full_name",
        "is_active",
        "locale",
        "role",
        "created_at",
    }
    assert "argon2" not in response.text


async def test_accounts_come_in_the_order_of_their_registration(accounts: Accounts) -> None:
    """S20."""
    admin = await accounts.administrator()
    people = [admin] + [await accounts.register(f"{name}@example.com") for name in ("zoe", "ada", "mel", "bob")]
    items = (await page(admin))["items"]
    assert [item["id"] for item in items] == [person.id for person in people]


async def test_pages_neither_repeat_nor_leave_out_anybody(accounts: Accounts, runtime: Runtime) -> None:
    """S20, 3.8-03: even while others register between two pages."""
    admin = await accounts.administrator()
    there_all_along = {UUID(admin.id), *await add_users(runtime, 40)}
    seen: list[UUID] = []
    cursor = None
    while True:
        body = await page(admin, limit=7, **({"cursor": cursor} if cursor else {}))
        assert len(body["items"]) == 7 or body["next_cursor"] is None
        seen += [UUID(item["id"]) for item in body["items"]]
        cursor = body["next_cursor"]
        if cursor is None:
            break
        if len(seen) < 30:
            await add_users(runtime, 2)
    assert len(seen) == len(set(seen))
    assert there_all_along <= set(seen)
    assert seen == sorted(seen)


async def test_the_last_page_says_that_it_is_the_last(accounts: Accounts, runtime: Runtime) -> None:
    """A page that is full by chance has no empty page after it."""
    admin = await accounts.administrator()
    await add_users(runtime, 9)
    assert (await page(admin, limit=10))["next_cursor"] is None
    first = await page(admin, limit=5)
    second = await page(admin, limit=5, cursor=first["next_cursor"])
    assert (len(second["items"]), second["next_cursor"]) == (5, None)
    assert (await page(admin, limit=9))["next_cursor"] is not None


async def test_without_a_limit_fifty_come(accounts: Accounts, runtime: Runtime) -> None:
    """S18."""
    admin = await accounts.administrator()
    await add_users(runtime, 120)
    assert len((await page(admin))["items"]) == 50
    assert len((await page(admin, limit=100))["items"]) == 100
    assert len((await page(admin, limit=1))["items"]) == 1
    assert len((await page(admin, skip=115))["items"]) == 6
    assert (await page(admin, skip=10_000))["items"] == []


async def test_limit_and_skip_have_bounds(accounts: Accounts) -> None:
    """S18, 3.8-03: none of them asks the database for a million rows, or for fewer than none."""
    admin = await accounts.administrator()
    wrong = ["-1", "101", "100000000", "9" * 5000, "abc", "1e3", "0x10", "NaN", "1;--", "", " ", "\u0663", "null"]
    for value in ["0", *wrong]:
        assert field_errors_of(await admin.get(USERS, params={"limit": value})) == {"limit"}, value
    for value in ["10001", *(value for value in wrong if value != "101")]:
        assert field_errors_of(await admin.get(USERS, params={"skip": value})) == {"skip"}, value


async def test_a_cursor_that_no_page_ended_with_is_refused(accounts: Accounts) -> None:
    """3.8-04, S87: a cursor is data, whatever it looks like, and does not come back."""
    admin = await accounts.administrator()
    garbage = [
        "",
        CANARY,
        "=",
        "====",
        "A" * 21,
        "A" * 23,
        base64.urlsafe_b64encode(b"x" * 15).decode(),
        base64.urlsafe_b64encode(b"x" * 17).decode(),
        base64.urlsafe_b64encode(b"x" * 32).decode(),
        "é" * 22,
        "\x00" * 22,
        "' OR 1=1 --",
        "!" * 22,
        admin.id,
    ]
    for cursor in garbage:
        response = await admin.get(USERS, params={"cursor": cursor})
        assert field_error_of(response) == ("cursor", "CURSOR_INVALID"), ascii(cursor)
        check_nothing_repeated(response)
    response = await admin.get(USERS, params={"cursor": CANARY * 1000})
    assert field_error_of(response) == ("cursor", "STRING_TOO_LONG")
    check_nothing_repeated(response)


async def test_a_cursor_grants_nothing(accounts: Accounts) -> None:
    """3.8-04: whoever holds one still needs the permission."""
    admin, ada = await accounts.administrator(), await accounts.signed_in()
    cursor = (await page(admin, limit=1))["next_cursor"]
    problem_of(await ada.get(USERS, params={"cursor": cursor}), 403, "PERMISSION_DENIED")


async def test_the_search_finds_a_part_of_an_address_or_a_name(accounts: Accounts) -> None:
    admin = await accounts.administrator()
    await accounts.register("ada@example.com", name="Ada Lovelace")
    await accounts.register("grace@navy.example", name="Grace Hopper")
    assert await emails(admin, q="lovel") == {"ada@example.com"}
    assert await emails(admin, q="LOVELACE") == {"ada@example.com"}
    assert await emails(admin, q="@navy.") == {"grace@navy.example"}
    assert await emails(admin, q="ce") - {admin.email} == {"ada@example.com", "grace@navy.example"}
    assert await emails(admin, q="nobody at all") == set()


async def test_the_search_follows_a_new_name(accounts: Accounts) -> None:
    admin = await accounts.administrator()
    ada = await accounts.signed_in(name="Byron")
    await ada.patch("/auth/me", json={"full_name": "Lovelace"})
    assert await emails(admin, q="lovelace") == {ada.email}
    assert await emails(admin, q="byron") == set()


async def test_the_search_takes_wildcards_as_the_characters_they_are(accounts: Accounts) -> None:
    r"""3.8-09: `%`, `_` and `\` are looked for, not obeyed."""
    admin = await accounts.administrator()
    names = {"percent@example.com": "100% Ada", "under@example.com": "a_b", "back@example.com": "c\\d"}
    for email, name in names.items():
        await accounts.register(email, name=name)
    await accounts.register("plain@example.com", name="axb cxd 100 Ada")
    assert await emails(admin, q="%") == {"percent@example.com"}
    assert await emails(admin, q="0% a") == {"percent@example.com"}
    assert await emails(admin, q="a_b") == {"under@example.com"}
    assert await emails(admin, q="c\\d") == {"back@example.com"}
    assert await emails(admin, q="\\") == {"back@example.com"}
    assert await emails(admin, q="/") == set()
    assert await emails(admin, q="' OR '1'='1") == set()


async def test_the_search_knows_the_case_of_letters_beyond_ascii(accounts: Accounts) -> None:
    """The same on both databases: SQLite itself would fold ASCII letters only."""
    admin = await accounts.administrator()
    await accounts.register("oezil@example.com", name="ÖZİL ÄRGER")
    await accounts.register("li@example.com", name="李小龍")
    await accounts.register("ivan@example.com", name="Иван Жук")
    assert await emails(admin, q="ärger") == {"oezil@example.com"}
    assert await emails(admin, q="ÄRG") == {"oezil@example.com"}
    assert await emails(admin, q="小龍") == {"li@example.com"}
    assert await emails(admin, q="ЖУК") == {"ivan@example.com"}


async def test_the_search_finds_a_name_typed_in_the_other_normal_form(accounts: Accounts) -> None:
    """A name is kept in NFC; a keyboard that sends NFD means the same name."""
    admin = await accounts.administrator()
    await accounts.register("rene@example.com", name="Ren\u00e9")
    assert await emails(admin, q="rene\u0301") == {"rene@example.com"}


async def test_the_search_takes_any_text_without_an_accident(accounts: Accounts) -> None:
    """S19, S28: control characters, NUL, broken UTF-8 and over-long texts are an empty page or a refusal."""
    admin = await accounts.administrator()
    for text in ("\x00", "a\x00b", "\x07", "\u202e", "\ufffd", "🦊", "\uffff", "\\%_" * 30):
        response = await admin.get(USERS, params={"q": text})
        assert response.status_code in {200, 422}, ascii(text)
    for raw in ("%ff%fe", "%ed%a0%80", "%c0%af", "%zz", "%"):
        response = await admin.http.get(f"{API}{USERS}?q={raw}", headers=admin.headers)
        assert response.status_code in {200, 422}, raw
    response = await admin.get(USERS, params={"q": CANARY * 10})
    assert field_errors_of(response) == {"q"}
    check_nothing_repeated(response)


async def test_search_and_pages_go_together(accounts: Accounts, runtime: Runtime) -> None:
    admin = await accounts.administrator()
    expected = {(await accounts.register(name=f"Loïs {n}")).email for n in range(3)}
    await add_users(runtime, 5)
    first = await page(admin, q="loïs ", limit=2)
    second = await page(admin, q="loïs ", limit=2, cursor=first["next_cursor"])
    assert second["next_cursor"] is None
    assert {item["email"] for item in first["items"] + second["items"]} == expected


async def test_the_token_is_not_taken_from_the_query(accounts: Accounts) -> None:
    """OA-15."""
    admin = await accounts.administrator()
    response: httpx2.Response = await admin.http.get(API + USERS, params={"access_token": admin.tokens["access_token"]})
    checked_problem(response)
    assert response.status_code == 401
