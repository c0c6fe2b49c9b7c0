"""`ostiary sessions explain`, as whoever is asked "why was I signed out?" calls it."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from app.auth.identifiers import new_id
from app.config import Settings
from app.models import Session
from app.runtime import Runtime
from app.services.sessions.issue import IssuedAccess
from tests.accounts import Accounts, Person
from tests.conftest import SECRET
from tests.journeys.server import ostiary
from tests.rows import let_time_pass
from tests.tokens import at_counter, session_id_of

pytestmark = pytest.mark.only("sqlite")
LONGER_THAN_THE_GRACE = timedelta(seconds=31)


class Support:
    """Somebody who answers for the installation, at its terminal."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder = folder
        self._environment = {
            "ENVIRONMENT": "development",
            "SECRET_KEY": SECRET,
            "DATABASE_URL": settings.DATABASE_URL.get_secret_value(),
        }

    async def asks(self, what: str, *, stdin: str = "") -> CompletedProcess[str]:
        """Run the command in a process of its own."""
        arguments = ("sessions", "explain", "--", what)
        return await asyncio.to_thread(partial(ostiary, self._folder, *arguments, stdin=stdin, **self._environment))

    async def learns(self, token: str) -> str:
        """Hand a token over as it should be, by standard input, and return the answer, which never repeats it."""
        done = await self.asks("-", stdin=f"{token}\n")
        assert done.returncode == 0, done.stderr
        assert token not in done.stdout + done.stderr
        assert secret_part(token) not in done.stdout + done.stderr
        return done.stdout

    async def is_told_no(self, text: str, *, stdin: str = "") -> None:
        """Assert that there is one clear message, which repeats nothing, and no trace of the program."""
        done = await self.asks(text, stdin=stdin)
        assert done.returncode == 1, done.stdout
        assert done.stdout == ""
        assert "Session not found (NOT_FOUND)" in done.stderr
        assert "Traceback" not in done.stderr
        for secret in (text, stdin.strip()):
            assert len(secret) < 16 or secret_part(secret) not in done.stderr


def secret_part(token: str) -> str:
    """Return the end of a token: the signature of an access token, the MAC of a refresh token."""
    return token[-24:]


@pytest.fixture
def support(settings: Settings, tmp_path: Path) -> Support:
    return Support(tmp_path, settings)


async def replayed(ada: Person, runtime: Runtime) -> tuple[str, str]:
    """End a session by presenting an old refresh token. Return the old one and the current one."""
    old = ada.tokens["refresh_token"]
    await ada.refresh()
    columns = (Session.created_at, Session.refreshed_at)
    await let_time_pass(runtime, session_id_of(ada), *columns, by=LONGER_THAN_THE_GRACE)
    assert (await ada.refresh(old)).status_code == 401
    return old, ada.tokens["refresh_token"]


async def test_the_story_is_told_by_the_id(accounts: Accounts, runtime: Runtime, support: Support) -> None:
    """OA-11: what happened, in its order, and why it ended."""
    ada = await accounts.signed_in("ada@example.com")
    await replayed(ada, runtime)
    done = await support.asks(str(session_id_of(ada)))
    assert done.returncode == 0, done.stderr
    head, *timeline, verdict = done.stdout.splitlines()
    assert head.startswith(f'Session {session_id_of(ada)} of ada@example.com, on "')
    assert [line.split()[2] for line in timeline][:2] == ["signed_in", "refreshed"]
    assert [line.split()[2] for line in timeline[2:]] == ["refresh_token_reused", "ended"]
    assert ["from 127.0.0.1" in line for line in timeline] == [True, False, True, True]
    assert timeline[1].endswith("1 time(s), this is the last")
    assert verdict == "It has ended: refresh_token_reused."


async def test_a_living_session_is_said_to_live(accounts: Accounts, support: Support) -> None:
    ada = await accounts.signed_in()
    assert (await support.learns(ada.tokens["refresh_token"])).endswith("It lives.\n")


async def test_an_administrator_who_ended_it_is_named(accounts: Accounts, support: Support) -> None:
    admin, ada = await accounts.administrator(), await accounts.signed_in()
    await admin.call("DELETE", f"/users/{ada.id}/sessions")
    answer = await support.learns(ada.tokens["refresh_token"])
    assert f"by {admin.id}" in answer
    assert "It has ended: ended_by_administrator." in answer


async def test_an_access_token_is_judged(accounts: Accounts, support: Support) -> None:
    """JW-01: a forged one names a session, and nothing it says is believed beyond that."""
    ada = await accounts.signed_in()
    token = ada.tokens["access_token"]
    assert "The access token is ours, and has not expired." in await support.learns(token)
    header, payload, signature = token.split(".")
    forged = f"{header}.{payload}.{'A' * len(signature)}"
    assert "The access token is not valid here" in await support.learns(forged)


async def test_an_expired_access_token_is_called_so(accounts: Accounts, runtime: Runtime, support: Support) -> None:
    """The one that a user complains about is mostly an old one."""
    ada = await accounts.signed_in()
    claims = await runtime.tokens.read_access(ada.tokens["access_token"], now=datetime.now(UTC))
    times = ("issued_at", "expires_at", "authenticated_at")
    earlier = {name: getattr(claims, name) - timedelta(hours=2) for name in times}
    issued = IssuedAccess(claims=replace(claims, **earlier))
    token = (await runtime.tokens.sign_access(issued)).access_token
    assert "The access token is ours, and has expired." in await support.learns(token)


async def test_a_refresh_token_is_placed_in_its_session(
    accounts: Accounts, runtime: Runtime, settings: Settings, support: Support
) -> None:
    """OA-11: which of the session's tokens it is, and where the session has come to."""
    ada = await accounts.signed_in()
    old, current = await replayed(ada, runtime)
    assert "number 0, and the session is at number 1" in await support.learns(old)
    assert "number 1, and the session is at number 1" in await support.learns(current)
    stranger = at_counter(settings, current, 7)
    assert "number 7, and the session is at number 1" in await support.learns(stranger)
    await support.is_told_no("-", stdin=f"{current[:-4]}AAAA")


async def test_what_names_no_session_is_told_so(accounts: Accounts, support: Support) -> None:
    """S93, V16.5.1: in a word, with exit code 1, and without an echo."""
    ada = await accounts.signed_in()
    await support.is_told_no(str(new_id()))
    await support.is_told_no("nonsense that is no id")
    await support.is_told_no("-", stdin="")
    await support.is_told_no("-", stdin="a.b.c\n")
    await support.is_told_no("-", stdin=f"ost_sc_{'A' * 107}")
    await ada.post("/auth/me/delete", json={"password": ada.password})
    await support.is_told_no("-", stdin=ada.tokens["access_token"])
    await support.is_told_no("-", stdin=ada.tokens["refresh_token"])
