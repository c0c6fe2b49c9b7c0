"""What ends sessions, as each is brought about through the API of one server. The rows of the matrix."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
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


async def log_out(scene: Scene) -> None:
    _done(await scene.victim.post("/auth/logout"))


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
    assert (await scene.victim.refresh()).status_code == 200
    session_id = session_id_of(scene.victim)
    await let_time_pass(scene.stage.runtime, session_id, Session.refreshed_at, by=timedelta(minutes=10))
    problem_of(await scene.victim.refresh(copied), 401, "SESSION_ENDED")


def _done(response: httpx2.Response) -> None:
    assert response.status_code == 204, response.text


# An end of one session and an end of all others, by their own routes, belong here as soon as there are such routes.
EVENTS = (
    Event("logout", log_out, cause="logout"),
    Event("logout_all", log_out_everywhere, cause="logout_all"),
    Event("password_change", change_the_password, cause="password_changed"),
    Event("disable", be_disabled, cause="user_disabled"),
    Event("delete", delete_the_account, cause=None),
    Event("reuse", have_a_refresh_token_reused, cause="refresh_token_reused"),
)
