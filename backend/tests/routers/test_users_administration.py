"""What those who administer may change of others: state and role, never of somebody above them."""

from uuid import UUID

import pytest

from app.auth.identifiers import new_id
from app.models import User
from app.runtime import Runtime
from tests.accounts import API, Accounts, Person
from tests.answers import CANARY, check_nothing_repeated, field_error_of, field_errors_of, problem_of
from tests.instances import instance
from tests.rows import active_administrators, add_role, count, everything


async def with_role(accounts: Accounts, role: str) -> Person:
    person = await accounts.register()
    await accounts.set_role(person, role)
    return await person.sign_in()


async def test_a_disabled_user_is_out_at_once_and_stays_out(accounts: Accounts) -> None:
    """S37, S54, 3.3-16, 3.5-01: sessions from before do not come back when the account is enabled again."""
    admin, ada = await accounts.administrator(), await accounts.signed_in()
    response = await admin.patch(f"/users/{ada.id}", json={"is_active": False})
    assert (response.status_code, response.json()["is_active"]) == (200, False)
    form = {"username": ada.email, "password": ada.password}
    problem_of(await ada.http.post(f"{API}/auth/login", data=form), 401, "INVALID_CREDENTIALS")
    assert problem_of(await ada.get("/auth/me"), 401, "SESSION_ENDED")["cause"] == "user_disabled"
    response = await admin.patch(f"/users/{ada.id}", json={"is_active": True})
    assert (response.status_code, response.json()["is_active"]) == (200, True)
    assert problem_of(await ada.get("/auth/me"), 401, "SESSION_ENDED")["cause"] == "user_disabled"
    assert problem_of(await ada.refresh(), 401, "SESSION_ENDED")["cause"] == "user_disabled"
    assert (await (await ada.sign_in()).get("/auth/me")).status_code == 200


async def test_a_new_role_counts_on_the_next_request_with_the_same_token(accounts: Accounts) -> None:
    """S21, S54: given and taken away."""
    admin, ada = await accounts.administrator(), await accounts.signed_in()
    problem_of(await ada.get("/users/"), 403, "PERMISSION_DENIED")
    response = await admin.patch(f"/users/{ada.id}", json={"role": "admin"})
    assert (response.status_code, response.json()["role"]) == (200, "admin")
    assert (await ada.get("/users/")).status_code == 200
    async with instance(accounts._runtime.settings) as second:
        assert (await second.serves(ada).get("/users/")).status_code == 200
        await admin.patch(f"/users/{ada.id}", json={"role": "user"})
        problem_of(await second.serves(ada).get("/users/"), 403, "PERMISSION_DENIED")
    problem_of(await ada.get("/users/"), 403, "PERMISSION_DENIED")
    assert (await ada.get("/auth/me")).status_code == 200, "another role ends no session"


async def test_what_is_left_out_stays_as_it_is(accounts: Accounts) -> None:
    admin, ada = await accounts.administrator(), await accounts.signed_in(name="Ada")
    before = (await admin.get(f"/users/{ada.id}")).json()
    for change in ({}, {"is_active": None}, {"role": None}, {"is_active": True}, {"role": "user"}):
        response = await admin.patch(f"/users/{ada.id}", json=change)
        assert (response.status_code, response.json()) == (200, before), change
    assert (await ada.get("/auth/me")).status_code == 200


async def test_only_those_with_the_permission_change_anybody(accounts: Accounts, runtime: Runtime) -> None:
    """S21, 3.8-01: not a stranger, not a user, not even of oneself; reading is not writing."""
    await add_role(runtime, "reader", "users:read", rank=1000)
    ada, bob = await accounts.signed_in(), await accounts.signed_in()
    before = await everything(runtime)
    for target in (ada, bob):
        for change in ({"role": "admin"}, {"is_active": False}):
            path = f"/users/{target.id}"
            problem_of(await ada.http.patch(API + path, json=change), 401, "NOT_AUTHENTICATED")
            problem_of(await ada.patch(path, json=change), 403, "PERMISSION_DENIED")
    assert await everything(runtime) == before
    await accounts.set_role(ada, "reader")
    problem_of(await ada.patch(f"/users/{bob.id}", json={"is_active": False}), 403, "PERMISSION_DENIED")


async def test_ids_cannot_be_probed_without_the_permission(accounts: Accounts) -> None:
    """S16: there or not, the answer is the same."""
    ada, bob = await accounts.signed_in(), await accounts.register()
    for user_id in (bob.id, new_id()):
        problem_of(await ada.patch(f"/users/{user_id}", json={"role": "admin"}), 403, "PERMISSION_DENIED")


async def test_an_account_that_is_not_there_is_not_found(accounts: Accounts) -> None:
    admin = await accounts.administrator()
    problem_of(await admin.patch(f"/users/{new_id()}", json={"is_active": False}), 404, "NOT_FOUND")
    problem_of(await admin.patch(f"/users/{UUID(int=0)}", json={"role": "nosuch"}), 404, "NOT_FOUND")


async def test_an_unknown_role_is_refused(accounts: Accounts, runtime: Runtime) -> None:
    """S87: and its name does not come back."""
    admin, ada = await accounts.administrator(), await accounts.signed_in()
    before = await everything(runtime)
    for name in ("", " ", "Admin", "ADMIN", "admin ", "admin\n", CANARY, CANARY.lower(), "users:write", "'--", "🦊"):
        response = await admin.patch(f"/users/{ada.id}", json={"role": name, "is_active": False})
        assert field_errors_of(response) == {"/role"}, ascii(name)
        check_nothing_repeated(response, CANARY.lower())
    response = await admin.patch(f"/users/{ada.id}", json={"role": "superuser", "is_active": False})
    assert field_error_of(response) == ("/role", "ROLE_UNKNOWN")
    assert field_error_of(await admin.patch(f"/users/{ada.id}", json={"role": "x" * 41})) == (
        "/role",
        "STRING_TOO_LONG",
    )
    assert await everything(runtime) == before, "the wrong half of a change takes the right half with it"


async def test_a_role_with_a_nul_is_refused_as_unknown(accounts: Accounts) -> None:
    """S28: PostgreSQL takes no NUL in a text; that is no accident of ours either."""
    admin, ada = await accounts.administrator(), await accounts.signed_in()
    response = await admin.patch(f"/users/{ada.id}", json={"role": "admin\x00"})
    assert field_errors_of(response) == {"/role"}


async def test_only_true_and_false_are_booleans(accounts: Accounts, runtime: Runtime) -> None:
    """S22: a text that means no must not count as yes."""
    admin, ada = await accounts.administrator(), await accounts.signed_in()
    before = await everything(runtime)
    texts: list[object] = ["false", "true", "0", "", 0, 1, 0.0, [], [False], {}]
    for value in texts:
        response = await admin.patch(f"/users/{ada.id}", json={"is_active": value})
        assert field_errors_of(response) == {"/is_active"}, value
    names: list[object] = [0, 1, True, ["admin"], {"name": "admin"}]
    for name in names:
        response = await admin.patch(f"/users/{ada.id}", json={"role": name})
        assert field_errors_of(response) == {"/role"}, name
    assert await everything(runtime) == before


async def test_no_other_field_can_be_changed(accounts: Accounts, runtime: Runtime) -> None:
    """S22, 3.8-01: not the address, not the password, not the permissions."""
    admin, ada = await accounts.administrator(), await accounts.signed_in()
    before = await everything(runtime)
    for name in ("email", "password", "password_hash", "full_name", "permissions", "id", "role_name", "rank"):
        response = await admin.patch(f"/users/{ada.id}", json={"is_active": True, name: CANARY})
        assert field_error_of(response) == (f"/{name}", "EXTRA_FORBIDDEN")
        check_nothing_repeated(response)
    assert await everything(runtime) == before


async def test_nobody_acts_on_a_higher_role(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-09: an administrator neither disables, demotes nor enables an owner."""
    await add_role(runtime, "owner", "users:read", "users:write", rank=200)
    admin, owner = await accounts.administrator(), await with_role(accounts, "owner")
    before = await everything(runtime)
    for change in (
        {"is_active": False},
        {"is_active": True},
        {"role": "user"},
        {"role": "admin"},
        {"role": "owner"},
        {},
    ):
        problem_of(await admin.patch(f"/users/{owner.id}", json=change), 403, "PERMISSION_DENIED")
    assert await everything(runtime) == before
    assert (await owner.patch(f"/users/{admin.id}", json={"is_active": True})).status_code == 200


async def test_nobody_grants_a_role_above_their_own(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-09, 3.8-01: not to others, and not to themselves."""
    await add_role(runtime, "owner", "users:read", "users:write", rank=200)
    admin, ada = await accounts.administrator(), await accounts.signed_in()
    for target in (ada, admin):
        problem_of(await admin.patch(f"/users/{target.id}", json={"role": "owner"}), 403, "PERMISSION_DENIED")
    assert await count(runtime, User, User.role_name == "owner") == 0


async def test_a_lesser_role_that_may_write_stays_below_administrators(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-09: support acts on users and on its like, and cannot rise."""
    await add_role(runtime, "support", "users:read", "users:write", rank=50)
    admin, support = await accounts.administrator(), await with_role(accounts, "support")
    ada, colleague = await accounts.signed_in(), await with_role(accounts, "support")
    for change in ({"is_active": False}, {"role": "user"}, {"role": "support"}):
        problem_of(await support.patch(f"/users/{admin.id}", json=change), 403, "PERMISSION_DENIED")
    for target in (support, ada, colleague):
        problem_of(await support.patch(f"/users/{target.id}", json={"role": "admin"}), 403, "PERMISSION_DENIED")
    for target in (ada, colleague):
        assert (await support.patch(f"/users/{target.id}", json={"is_active": False})).status_code == 200
    assert (await support.patch(f"/users/{ada.id}", json={"role": "support"})).status_code == 200
    assert await active_administrators(runtime) == 1


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": "user"}], ids=["disable", "demote"])
async def test_the_last_administrator_can_be_neither_disabled_nor_demoted(
    accounts: Accounts, runtime: Runtime, change: dict[str, object]
) -> None:
    """S44: by themselves; a disabled administrator does not count."""
    admin, other = await accounts.administrator(), await accounts.administrator()
    assert (await admin.patch(f"/users/{other.id}", json={"is_active": False})).status_code == 200
    before = await everything(runtime)
    problem_of(await admin.patch(f"/users/{admin.id}", json=change), 409, "LAST_ADMINISTRATOR")
    assert await everything(runtime) == before
    assert (await admin.patch(f"/users/{other.id}", json={"is_active": True})).status_code == 200
    assert (await admin.patch(f"/users/{admin.id}", json=change)).status_code == 200
    assert await active_administrators(runtime) == 1


async def test_not_even_an_owner_removes_the_last_administrator(accounts: Accounts, runtime: Runtime) -> None:
    """S44."""
    await add_role(runtime, "owner", "users:read", "users:write", rank=200)
    admin, owner = await accounts.administrator(), await with_role(accounts, "owner")
    for change in ({"is_active": False}, {"role": "user"}, {"role": "owner"}):
        problem_of(await owner.patch(f"/users/{admin.id}", json=change), 409, "LAST_ADMINISTRATOR")


async def test_administrators_who_disable_themselves_are_out(accounts: Accounts) -> None:
    """S37."""
    admin, _ = await accounts.administrator(), await accounts.administrator()
    assert (await admin.patch(f"/users/{admin.id}", json={"is_active": False})).status_code == 200
    problem_of(await admin.get("/users/"), 401, "SESSION_ENDED")
