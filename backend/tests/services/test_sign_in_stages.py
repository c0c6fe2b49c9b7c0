"""Sign-in as stages: who is asked when, who may keep somebody out, who is told, and that there is no way around."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from app.config import ConfigurationError
from app.extensions import load_extensions
from app.main import create_app
from app.models import Session, SessionEvent
from app.runtime import Runtime
from tests import gatehouse
from tests.accounts import API, Accounts, Person
from tests.answers import problem_of
from tests.architecture.sources import parsed_modules
from tests.configuring import load
from tests.rows import count, find_user, living_sessions
from tests.visitors import ABROAD, FIREFOX_ON_LINUX, HOME, visiting

GUARDED = pytest.mark.settings(EXTENSIONS=[gatehouse.NAME])


async def try_to_sign_in(person: Person, password: str | None = None) -> httpx2.Response:
    """Sign in past the check that every refusal is documented: the product's own are not."""
    form = {"username": person.email, "password": password or person.password}
    return await person.http.post(f"{API}/auth/login", data=form)


async def notes(runtime: Runtime, person: Person) -> list[str]:
    """Return what gates and observers have written down about somebody, in their order."""
    words = (await find_user(runtime, person)).search_text.split()
    return [word for word in " ".join(words[1:]).replace("new ", "new-").split() if word]


# Gates.


@GUARDED
async def test_every_gate_is_asked_in_its_order(accounts: Accounts, runtime: Runtime) -> None:
    """With what has been proved so far, and every time."""
    ada = await accounts.register()
    for number in (1, 2):
        await ada.sign_in()
        assert await notes(runtime, ada) == ["porter:pwd", "treasurer"] * number


@GUARDED
async def test_no_gate_is_asked_before_the_password_was_right(
    accounts: Accounts, runtime: Runtime, client: httpx2.AsyncClient
) -> None:
    """3.5-04: or a stranger could learn who is barred, and act in others' names."""
    ada, barred = await accounts.register(), await accounts.register("barred@example.com")
    for person in (ada, barred):
        problem_of(await try_to_sign_in(person, "a wrong passphrase"), 401, "INVALID_CREDENTIALS")
        assert await notes(runtime, person) == []
    nobody = Person(client, "", "nobody@example.com", "a wrong passphrase")
    problem_of(await try_to_sign_in(nobody), 401, "INVALID_CREDENTIALS")


@GUARDED
async def test_a_gate_keeps_somebody_out_with_its_own_code(app: FastAPI, accounts: Accounts, runtime: Runtime) -> None:
    """3.5-03, 3.5-14: no session begins, and what was written on the way is undone."""
    unpaid = await accounts.register("unpaid@example.com")
    async with visiting(app, unpaid) as person:
        problem_of(await try_to_sign_in(person), 409, "GATEHOUSE_DUES_UNPAID")
    assert await count(runtime, Session) == await count(runtime, SessionEvent) == 0
    assert await notes(runtime, unpaid) == []


@GUARDED
async def test_what_a_gate_wrote_before_a_refusal_is_kept(app: FastAPI, accounts: Accounts, runtime: Runtime) -> None:
    """And the gates after it are not asked."""
    barred = await accounts.register("barred@example.com")
    async with visiting(app, barred) as person:
        refused = await try_to_sign_in(person)
    problem_of(refused, 403, "GATEHOUSE_BARRED")
    assert "token" not in refused.text
    assert await count(runtime, Session) == 0
    assert await notes(runtime, barred) == ["porter:pwd"]


@GUARDED
@pytest.mark.parametrize("transport", ["bearer", "cookie"])
async def test_a_gate_stands_before_every_way_to_carry_a_session(
    app: FastAPI, accounts: Accounts, runtime: Runtime, transport: str
) -> None:
    """3.5-03."""
    barred = await accounts.register("barred@example.com")
    form = {"username": barred.email, "password": barred.password}
    async with visiting(app, barred) as person:
        path = f"{API}/auth/login?transport={transport}"
        response = await person.http.post(path, data=form, headers={"Sec-Fetch-Site": "same-origin"})
    problem_of(response, 403, "GATEHOUSE_BARRED")
    assert "set-cookie" not in response.headers
    assert await count(runtime, Session) == 0


# Observers.


@GUARDED
async def test_observers_are_told_of_a_new_device_and_a_new_place(
    app: FastAPI, accounts: Accounts, runtime: Runtime
) -> None:
    """Of each where it is new, and not of an account's first sign-in."""
    ada = await accounts.register()
    visits = [
        (HOME, "curl/8.5.0", None),
        (HOME, "curl/8.5.0", None),
        ("203.0.113.99", "curl/9.0.0", None),
        (HOME, FIREFOX_ON_LINUX, "new-device"),
        (ABROAD, FIREFOX_ON_LINUX, "new-place"),
        ("192.0.2.1", "wget/1.0", "new-device+new-place"),
        (ABROAD, "curl/8.5.0", None),
    ]
    for address, user_agent, expected in visits:
        before = len(await notes(runtime, ada))
        async with visiting(app, ada, address=address, user_agent=user_agent) as person:
            await person.sign_in()
        told = [note for note in (await notes(runtime, ada))[before:] if note.startswith("bell:")]
        assert [note.split(":")[1] for note in told] == ([expected] if expected else []), address


@GUARDED
async def test_a_place_that_others_come_from_is_still_new_to_one(
    app: FastAPI, accounts: Accounts, runtime: Runtime
) -> None:
    """3.5-09: what is known of one account says nothing of another."""
    ada, bob = await accounts.register(), await accounts.register()
    for person in (ada, bob):
        await person.sign_in()
    for person in (ada, bob):
        async with visiting(app, person, address=ABROAD) as abroad:
            await abroad.sign_in()
        assert any(note.startswith("bell:") for note in await notes(runtime, person))


@GUARDED
async def test_an_observer_that_fails_leaves_no_session(app: FastAPI, accounts: Accounts, runtime: Runtime) -> None:
    """V2.3.3: what it writes and the session are committed together, or not at all."""
    broken = await accounts.register("broken@example.com")
    await broken.sign_in()
    before = await living_sessions(runtime, broken), await notes(runtime, broken)
    transport = httpx2.ASGITransport(app=app, client=(ABROAD, 1), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http:
        response = await try_to_sign_in(Person(http, broken.id, broken.email, broken.password))
    assert response.status_code == 500
    assert "token" not in response.text
    assert (await living_sessions(runtime, broken), await notes(runtime, broken)) == before
    assert await count(runtime, SessionEvent) == 0


@GUARDED
async def test_an_observer_that_refuses_leaves_no_session_that_nobody_holds(
    app: FastAPI, accounts: Accounts, runtime: Runtime
) -> None:
    """V2.3.3: what is kept after a refusal is a note of it, and never a living session without a client."""
    refused = await accounts.register("refused@example.com")
    await refused.sign_in()
    before = await living_sessions(runtime, refused)
    noted = await notes(runtime, refused)
    transport = httpx2.ASGITransport(app=app, client=(ABROAD, 1), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http:
        response = await try_to_sign_in(Person(http, refused.id, refused.email, refused.password))
    problem = response.json()
    assert (response.status_code, problem["code"]) == (500, "INTERNAL_ERROR")
    assert (await living_sessions(runtime, refused), await notes(runtime, refused)) == (before, noted)


# How they are named.

BAD_HOOKS = {
    "a text": "'ask'",
    "one function": "ask",
    "a function that is not async": "[lambda work, attempt: None]",
    "a name": "['ask']",
    "nothing": "[None]",
    "a dictionary": "{'ask': ask}",
    "a generator": "(hook for hook in [ask])",
    "an async generator": "[generate]",
    "a number": "7",
    "one bad one among good ones": "[ask, 7, ask]",
}
HOOKS = """
from fastapi import APIRouter
router = APIRouter(prefix="/shop")
async def ask(work, attempt): ...
async def generate(work, attempt):
    yield
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder where Python finds modules; what was imported from it is forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("name", ["sign_in_gates", "sign_in_observers"])
@pytest.mark.parametrize("hooks", BAD_HOOKS)
def test_what_is_no_list_of_async_functions_refuses_the_start(folder: Path, name: str, hooks: str) -> None:
    """3.5-15: a gate that is misspelt must not be an open one."""
    (folder / "shop_hooked.py").write_text(f"{HOOKS}{name} = {BAD_HOOKS[hooks]}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=f"EXTENSIONS: shop_hooked has a `{name}`"):
        create_app(load(EXTENSIONS="shop_hooked"))


def test_an_extension_without_gates_has_none(folder: Path) -> None:
    (folder / "shop_open.py").write_text(HOOKS, encoding="utf-8")
    (extension,) = load_extensions(["shop_open"])
    assert extension.sign_in_gates == extension.sign_in_observers == ()


def test_the_gates_of_several_extensions_stand_in_the_order_of_the_setting(folder: Path) -> None:
    names = ["shop_zebra", "shop_aardvark"]
    for name in names:
        text = HOOKS.replace("/shop", f"/{name}") + "sign_in_gates = (ask,)\nsign_in_observers = [ask, ask]\n"
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    runtime: Runtime = create_app(load(EXTENSIONS=",".join(names))).state.runtime
    own = ["app.services.mailed.verification"], ["app.services.mailed.notices"]
    assert [gate.__module__ for gate in runtime.sign_in.gates] == own[0] + names
    assert [o.__module__ for o in runtime.sign_in.observers] == own[1] + [n for n in names for _ in range(2)]


# That there is no other way.


def calls_of(function: str) -> set[str]:
    """Return the modules that name a function anywhere but in its definition."""
    return {
        name
        for name, tree in parsed_modules().items()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Name) and node.id == function)
        or (isinstance(node, ast.Attribute) and node.attr == function)
    }


def test_only_the_last_stage_begins_a_session() -> None:
    """3.5-03, 3.5-14: a way to sign in that passes no gate cannot be written by mistake."""
    assert calls_of("begin_session") == {"app.services.sign_in.stages"}


def test_only_the_beginning_of_a_session_makes_its_secret() -> None:
    """3.5-11: there is no other place where one could be fixed or taken over from a session before."""
    for function in ("first_refresh_token", "new_cookie_token"):
        assert calls_of(function) == {"app.services.sessions.issue"}
