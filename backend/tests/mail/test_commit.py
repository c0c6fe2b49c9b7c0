"""Nothing leaves before the commit, and what is undone never leaves."""

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import event

from app.runtime import Runtime
from app.services import outbox
from tests.conftest import settings_for
from tests.instances import instance
from tests.mail import desk
from tests.middleware.asgi import Message, ask
from tests.outbox import mails_of
from tests.smtp import mail_server

DESK = "/api/v1/desk"
pytestmark = pytest.mark.settings(
    EXTENSIONS=[desk.NAME],
    SMTP_HOST="127.0.0.1",
    SMTP_PORT=9,
    SMTP_SECURITY="none",
    MAIL_FROM="a@example.com",
    JOBS="apart",
)


@pytest.mark.parametrize(("path", "status", "written"), [("kept", 200, 1), ("refused", 403, 1), ("conflict", 409, 0)])
async def test_a_mail_shares_the_fate_of_its_request(
    app: FastAPI, runtime: Runtime, path: str, status: int, written: int
) -> None:
    """V2.3.3, 3.9-05: one commit, and the job is woken by it and by nothing else; the answer leaves after it."""
    commits: list[object] = []
    engine = runtime.database.engine.sync_engine
    rung: list[bool] = []

    async def watch(_: Message) -> None:
        rung.append(runtime.database.bells[outbox.JOB].is_set())

    def note(connection: object) -> None:
        commits.append(connection)

    event.listen(engine, "commit", note)
    answer = await ask(app, f"{DESK}/{path}", method="POST", watch=watch)
    event.remove(engine, "commit", note)
    assert answer.status == status
    assert len(await mails_of(runtime)) == len(commits) == written
    assert set(rung) == {bool(written)}


async def test_the_answer_is_the_same_when_a_mail_is_held_back(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """3.7-02, 3.7-10: byte for byte."""
    answers = [await client.post(f"{DESK}/kept") for _ in range(runtime.settings.MAIL_PER_ADDRESS_PER_HOUR + 3)]
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, b"1")}
    assert len(await mails_of(runtime)) == runtime.settings.MAIL_PER_ADDRESS_PER_HOUR


async def test_what_a_request_posts_arrives(database_url: str) -> None:
    """The whole way: a route, its commit, the job of the same process, the server."""
    async with mail_server() as server:
        settings = settings_for(database_url, EXTENSIONS=[desk.NAME], **server.settings())
        async with instance(settings) as running:
            assert (await running.http.post(f"{DESK}/kept")).status_code == 200
            (arrived,) = await server.wait_for(1)
            assert arrived.recipient == "ada@example.com"
