"""One account: one's own, or any for those who may read users; for everybody else it does not exist."""

from uuid import UUID

from app.auth.identifiers import new_id
from app.runtime import Runtime
from tests.accounts import API, Accounts
from tests.answers import CANARY, check_nothing_repeated, checked_problem, field_errors_of, problem_of
from tests.answers import without_request_id as compared
from tests.rows import add_role, add_users


async def test_people_see_their_own_account(accounts: Accounts) -> None:
    ada = await accounts.signed_in(name="Ada")
    response = await ada.get(f"/users/{ada.id}")
    assert response.status_code == 200
    assert response.json() == (await ada.get("/auth/me")).json()
    assert "argon2" not in response.text


async def test_another_account_looks_like_one_that_does_not_exist(accounts: Accounts, runtime: Runtime) -> None:
    """S11, S16, V8.2.2: ids cannot be probed, not even those of administrators."""
    ada, bob, admin = await accounts.signed_in(), await accounts.register(), await accounts.administrator()
    stranger = (await add_users(runtime, 1))[0]
    answers = [await ada.get(f"/users/{user_id}") for user_id in (bob.id, admin.id, stranger, new_id(), UUID(int=0))]
    for response in answers:
        problem_of(response, 404, "NOT_FOUND")
        assert compared(response) == compared(answers[0])
        check_nothing_repeated(response, bob.id, bob.email)


async def test_an_administrator_sees_every_account(accounts: Accounts) -> None:
    admin, ada = await accounts.administrator(), await accounts.signed_in(name="Ada")
    response = await admin.get(f"/users/{ada.id}")
    assert response.status_code == 200
    assert response.json() == (await ada.get("/auth/me")).json()
    problem_of(await admin.get(f"/users/{new_id()}"), 404, "NOT_FOUND")


async def test_the_permission_decides_and_not_the_name_of_the_role(accounts: Accounts, runtime: Runtime) -> None:
    """S21: a role of one's own with `users:read` sees accounts, one without does not."""
    await add_role(runtime, "reader", "users:read", rank=10)
    await add_role(runtime, "mighty", "users:write", rank=1000)
    ada, bob = await accounts.signed_in(), await accounts.register()
    for role, status in (("reader", 200), ("mighty", 404), ("user", 404)):
        await accounts.set_role(ada, role)
        assert (await ada.get(f"/users/{bob.id}")).status_code == status, role


async def test_a_stranger_learns_nothing(accounts: Accounts) -> None:
    """S11: no account is public."""
    ada = await accounts.register()
    answers = [await ada.http.get(f"{API}/users/{user_id}") for user_id in (ada.id, new_id())]
    for response in answers:
        problem_of(response, 401, "NOT_AUTHENTICATED")
        assert compared(response) == compared(answers[0])


async def test_what_is_not_an_id_is_refused(accounts: Accounts) -> None:
    """S19, 3.6-10: numbers of any size, texts, injections: a field error or no such path, never an accident."""
    admin = await accounts.administrator()
    for text in (
        "1",
        "0",
        "-1",
        "9" * 20,
        "9" * 4000,
        "null",
        "me",
        CANARY,
        "1.5",
        "%00",
        "%ff%fe",
        "'--",
        admin.id[:-1],
    ):
        response = await admin.get(f"/users/{text}")
        assert field_errors_of(response) == {"user_id"}, text
        check_nothing_repeated(response)
        response = await admin.patch(f"/users/{text}", json={"is_active": False})
        assert field_errors_of(response) == {"user_id"}, text
        check_nothing_repeated(response)


async def test_a_path_below_an_account_does_not_exist(accounts: Accounts) -> None:
    """3.2-15: doubled and encoded slashes lead past no guard."""
    ada, admin = await accounts.signed_in(), await accounts.administrator()
    for path in (
        f"/users//{admin.id}",
        f"//users/{admin.id}",
        f"/users/{admin.id}/",
        f"/users/{admin.id}%2f",
        "/users",
    ):
        response = await ada.http.get(API + path, headers=ada.headers)
        checked_problem(response)
        assert response.status_code in {404, 422}, path
