"""Visits to the routes of one's own account and one's own sessions, and to those of administrators."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import insert

from app.auth.identifiers import new_id
from app.models import SessionEvent
from tests.accounts import API, PASSWORD
from tests.audit import add_events
from tests.factors import enrol_app
from tests.routers.statement_visits import Place, Visit, VisitOfMany
from tests.routers.test_sessions import add_sessions
from tests.rows import add_users, write
from tests.tokens import session_id_of

_NEW_PASSWORD = "nine pale lanterns hum"


async def register(place: Place) -> object:
    return await place.accounts.register()


async def log_in(place: Place) -> object:
    """Come again with the device and the network of before."""
    return await (await place.person()).sign_in()


async def refresh(place: Place) -> object:
    return await (await place.person()).refresh()


async def read_me(place: Place) -> object:
    return await (await place.person()).get("/auth/me")


async def rename_me(place: Place) -> object:
    return await (await place.person()).patch("/auth/me", json={"full_name": "Ada Lovelace"})


async def prove_again(place: Place) -> object:
    return await (await place.person()).post("/auth/reauthenticate", json={"password": PASSWORD})


async def change_password(place: Place, others: int) -> object:
    ada = await place.person()
    await add_sessions(place.runtime, ada, others)
    body = {"current_password": PASSWORD, "new_password": _NEW_PASSWORD}
    return await ada.post("/auth/me/password", json=body)


async def delete_me(place: Place, others: int) -> object:
    ada = await place.person()
    await add_sessions(place.runtime, ada, others)
    return await ada.post("/auth/me/delete", json={"password": PASSWORD})


async def log_out(place: Place) -> object:
    return await (await place.person()).post("/auth/logout")


async def log_out_others(place: Place, others: int) -> object:
    ada = await place.person()
    await add_sessions(place.runtime, ada, others)
    return await ada.post("/auth/logout/others")


async def log_out_everywhere(place: Place, others: int) -> object:
    ada = await place.person()
    await add_sessions(place.runtime, ada, others)
    return await ada.post("/auth/logout/all")


async def list_own_sessions(place: Place, others: int) -> object:
    ada = await place.person()
    await add_sessions(place.runtime, ada, others)
    return await ada.get("/sessions/")


async def read_session(place: Place, events: int) -> object:
    ada, now = await place.person(), datetime.now(UTC)
    story = [{"id": new_id(), "session_id": session_id_of(ada), "kind": "grace_used", "at": now} for _ in range(events)]
    await write(place.runtime, insert(SessionEvent).values(story))
    return await ada.get(f"/sessions/{session_id_of(ada)}")


async def end_session(place: Place) -> object:
    ada = await place.person()
    other = await ada.sign_in()
    return await ada.call("DELETE", f"/sessions/{session_id_of(other)}")


async def list_own_events(place: Place, events: int) -> object:
    ada, yesterday = await place.person(), datetime.now(UTC) - timedelta(days=1)
    await add_events(place.runtime, *[yesterday] * events, target_id=UUID(ada.id))
    return await ada.get("/auth/me/events")


async def search_events(place: Place, events: int) -> object:
    root = await place.administrator()
    await add_events(place.runtime, *[datetime.now(UTC) - timedelta(days=1)] * events)
    return await root.get("/audit/events")


async def export_events(place: Place, events: int) -> object:
    root = await place.administrator()
    await add_events(place.runtime, *[datetime.now(UTC) - timedelta(days=1)] * events)
    return await root.get("/audit/events.jsonl")


async def list_users(place: Place, users: int) -> object:
    root = await place.administrator()
    await add_users(place.runtime, users)
    return await root.get("/users/")


async def read_user(place: Place) -> object:
    root, ada = await place.administrator(), await place.registered()
    return await root.get(f"/users/{ada.id}")


async def disable_user(place: Place, sessions: int) -> object:
    root, ada = await place.administrator(), await place.registered()
    await add_sessions(place.runtime, ada, sessions)
    return await root.patch(f"/users/{ada.id}", json={"is_active": False})


async def list_sessions_of_user(place: Place, sessions: int) -> object:
    root, ada = await place.administrator(), await place.registered()
    await add_sessions(place.runtime, ada, sessions)
    return await root.get(f"/users/{ada.id}/sessions")


async def end_sessions_of_user(place: Place, sessions: int) -> object:
    root, ada = await place.administrator(), await place.registered()
    await add_sessions(place.runtime, ada, sessions)
    return await root.call("DELETE", f"/users/{ada.id}/sessions")


async def reset_factors(place: Place, sessions: int) -> object:
    root, ada = await place.administrator(), await place.person()
    await enrol_app(ada)
    await add_sessions(place.runtime, ada, sessions)
    return await root.post(f"/users/{ada.id}/factors/reset", json={"reason": "They have lost their phone"})


OF_MANY: dict[str, VisitOfMany] = {
    f"GET {API}/audit/events": search_events,
    f"GET {API}/audit/events.jsonl": export_events,
    f"GET {API}/auth/me/events": list_own_events,
    f"GET {API}/sessions/": list_own_sessions,
    f"GET {API}/sessions/{{session_id}}": read_session,
    f"GET {API}/users/": list_users,
    f"GET {API}/users/{{user_id}}/sessions": list_sessions_of_user,
    f"POST {API}/auth/logout/all": log_out_everywhere,
    f"POST {API}/auth/logout/others": log_out_others,
    f"POST {API}/auth/me/delete": delete_me,
    f"POST {API}/auth/me/password": change_password,
    f"PATCH {API}/users/{{user_id}}": disable_user,
    f"POST {API}/users/{{user_id}}/factors/reset": reset_factors,
    f"DELETE {API}/users/{{user_id}}/sessions": end_sessions_of_user,
}
VISITS: dict[str, Visit] = {
    f"DELETE {API}/sessions/{{session_id}}": end_session,
    f"GET {API}/auth/me": read_me,
    f"GET {API}/users/{{user_id}}": read_user,
    f"PATCH {API}/auth/me": rename_me,
    f"POST {API}/auth/login": log_in,
    f"POST {API}/auth/logout": log_out,
    f"POST {API}/auth/reauthenticate": prove_again,
    f"POST {API}/auth/refresh": refresh,
    f"POST {API}/auth/register": register,
}
