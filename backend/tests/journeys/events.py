"""What ends sessions, as each is brought about through the API of one server. The rows of the matrix."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import httpx2

from app.models import Session
from tests.accounts import Person
from tests.answers import problem_of
from tests.journeys.pair import Stage
from tests.rows import let_time_pass
from tests.tokens import session_id_of


@dataclass(frozen=True)
class Scene:
    """Who takes part. Everybody calls the first server."""

    victim: Person
    """Whose session will be over."""
    elsewhere: Person
    """The same account, signed in a second time."""
    stage: Stage


@dataclass(frozen=True)
class Event:
    """Something that ends the victim's session."""

    name: str
    happen: Callable[[Scene], Awaitable[None]]
    cause: str | None
    """What the refusal says of it; None when the session leaves no trace."""
    needs_tokens: bool = False
    """Whether it can only happen to a session that is carried by tokens."""


async def log_out(scene: Scene) -> None:
    _done(await scene.victim.post("/auth/logout"))


async def end_it_from_elsewhere(scene: Scene) -> None:
    _done(await scene.elsewhere.call("DELETE", f"/sessions/{await _other_session(scene.elsewhere)}"))


async def have_it_ended_by_an_administrator(scene: Scene) -> None:
    administrator = await scene.stage.accounts.administrator()
    _done(await administrator.call("DELETE", f"/sessions/{await _other_session(scene.elsewhere)}"))


async def log_out_all_others(scene: Scene) -> None:
    _done(await scene.elsewhere.post("/auth/logout/others"))


async def log_out_everywhere(scene: Scene) -> None:
    _done(await scene.elsewhere.post("/auth/logout/all"))


async def change_the_password(scene: Scene) -> None:
    body = {"current_password": scene.victim.password, "new_password": "eleven herons over the marsh"}
    _done(await scene.elsewhere.post("/auth/me/password", json=body))


async def be_disabled(scene: Scene) -> None:
    administrator = await scene.stage.accounts.administrator()
    disabled = await administrator.patch(f"/users/{scene.victim.id}", json={"is_active": False})
    assert disabled.status_code == 200, disabled.text


async def delete_the_account(scene: Scene) -> None:
    _done(await scene.elsewhere.post("/auth/me/delete", json={"password": scene.victim.password}))


async def have_a_refresh_token_reused(scene: Scene) -> None:
    """A copy of a refresh token appears after the grace; the victim holds its successor."""
    copied = scene.victim.tokens["refresh_token"]
    prolonged = replace(scene.victim)
    assert (await prolonged.refresh()).status_code == 200
    # In place, so that everybody who acts for the victim has the newest tokens.
    scene.victim.tokens.update(prolonged.tokens)
    session_id = session_id_of(scene.victim)
    await let_time_pass(scene.stage.runtime, session_id, Session.refreshed_at, by=timedelta(minutes=10))
    problem_of(await scene.victim.refresh(copied), 401, "SESSION_ENDED")


async def _other_session(person: Person) -> str:
    """Return the id of the session of this account that is not the caller's."""
    sessions = (await person.get("/sessions/")).json()["items"]
    (other,) = [session["id"] for session in sessions if not session["is_current"]]
    return str(other)


def _done(response: httpx2.Response) -> None:
    assert response.status_code == 204, response.text


EVENTS = (
    Event("logout", log_out, cause="logout"),
    Event("end_one", end_it_from_elsewhere, cause="ended_by_user"),
    Event("end_one_by_administrator", have_it_ended_by_an_administrator, cause="ended_by_administrator"),
    Event("logout_others", log_out_all_others, cause="logout_others"),
    Event("logout_all", log_out_everywhere, cause="logout_all"),
    Event("password_change", change_the_password, cause="password_changed"),
    Event("disable", be_disabled, cause="user_disabled"),
    Event("delete", delete_the_account, cause=None),
    Event("reuse", have_a_refresh_token_reused, cause="refresh_token_reused", needs_tokens=True),
)
