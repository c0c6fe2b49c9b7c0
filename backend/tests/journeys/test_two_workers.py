"""What happens at one worker counts at the next request to another: they share the database and nothing else."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app.auth.identifiers import new_id
from tests.answers import problem_of
from tests.journeys.credentials import CREDENTIALS, Credential
from tests.journeys.events import EVENTS, Event, Scene
from tests.journeys.line import connected
from tests.journeys.pair import Pair, Stage, at, begin_sessions, copy_of, running_pair, staged
from tests.postgres import PostgresServer
from tests.rows import add_users

ME = "/auth/me"
FOR_ADMINISTRATORS = "/users/"
LOGOUTS = 2000
CLIENTS = 8

EVERY_CREDENTIAL = pytest.mark.parametrize("credential", CREDENTIALS, ids=lambda credential: credential.name)
EVERY_END = pytest.mark.parametrize(
    ("event", "credential"),
    [
        pytest.param(event, credential, id=f"{event.name}-{credential.name}")
        for event in EVENTS
        for credential in CREDENTIALS
        if credential.has_tokens or not event.needs_tokens
    ],
)
EVERY_WORKER = pytest.mark.parametrize("worker", ["first", "second"])


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two servers for all tests here: each test brings its own people."""
    folder: Path = tmp_path_factory.mktemp("pair")
    if request.param == "sqlite":
        with running_pair(folder, copy_of(request.getfixturevalue("sqlite_template"), folder)) as servers:
            yield servers
        return
    postgres: PostgresServer = request.getfixturevalue("postgres")
    name = f"pair_{new_id().hex}"
    asyncio.run(postgres.create_database(name, template=request.getfixturevalue("postgres_template")))
    with running_pair(folder, postgres.url(name)) as servers:
        yield servers
    asyncio.run(postgres.drop_database(name))


@pytest.fixture
async def stage(pair: Pair) -> AsyncIterator[Stage]:
    async with staged(pair) as both:
        yield both


@EVERY_WORKER
@EVERY_END
async def test_an_ended_session_is_refused_at_the_very_next_request(
    stage: Stage, event: Event, credential: Credential, worker: str
) -> None:
    """3.5-01, 3.5-02, OA-13, S53, S54, S55: on the worker where it was ended, and on one that nobody told."""
    account = await stage.accounts.register()
    # The worker that will be asked has seen the session alive, so that whatever it remembers speaks for the session.
    kept = at(getattr(stage, worker), await credential.sign_in(account))
    assert (await credential.present(kept, ME)).status_code == 200
    await event.happen(Scene(at(stage.first, kept), await account.sign_in(), stage))
    credential.check_refused(await credential.present(kept, ME), event.cause)


@EVERY_WORKER
@EVERY_CREDENTIAL
async def test_a_role_counts_at_the_very_next_request_whether_given_or_taken(
    stage: Stage, credential: Credential, worker: str
) -> None:
    """3.5-01, 3.5-02, S54: neither a token nor a worker remembers what somebody may do."""
    administrator = await stage.accounts.administrator()
    account = await stage.accounts.register()
    ada = at(getattr(stage, worker), await credential.sign_in(account))
    problem_of(await credential.present(ada, FOR_ADMINISTRATORS), 403, "PERMISSION_DENIED")
    for _ in range(3):
        promoted = await administrator.patch(f"/users/{ada.id}", json={"role": "admin"})
        assert promoted.status_code == 200, promoted.text
        assert (await credential.present(ada, FOR_ADMINISTRATORS)).status_code == 200
        demoted = await administrator.patch(f"/users/{ada.id}", json={"role": "user"})
        assert demoted.status_code == 200, demoted.text
        problem_of(await credential.present(ada, FOR_ADMINISTRATORS), 403, "PERMISSION_DENIED")


async def test_two_thousand_of_two_thousand_logouts_are_seen_by_the_other_worker(pair: Pair, stage: Stage) -> None:
    """3.5-02: a request that starts after the answer of a logout elsewhere is refused, however busy the worker is.

    A request with the same token is under way there while the logout is: its own answer may be either, but what was
    read for it must not answer the one that comes after.
    """
    tokens = await begin_sessions(stage.runtime, await add_users(stage.runtime, 100), LOGOUTS)
    waiting = iter([each.access_token for each in tokens])
    verdicts = await asyncio.gather(*(log_out_of_each(pair, waiting) for _ in range(CLIENTS)))
    assert sum(verdicts, Counter()) == {(401, "logout"): LOGOUTS}


async def log_out_of_each(pair: Pair, tokens: Iterator[str]) -> Counter[tuple[int, str | None]]:
    """Log out at the first server, and count what the second says to a request that starts after the answer."""
    verdicts: Counter[tuple[int, str | None]] = Counter()
    async with (
        connected(pair.first.url) as first,
        connected(pair.second.url) as second,
        connected(pair.second.url) as busy,
    ):
        for token in tokens:
            before = asyncio.create_task(busy.ask("GET", ME, token))
            assert (await first.ask("POST", "/auth/logout", token)).status == 204
            after = await second.ask("GET", ME, token)
            verdicts[after.status, after.content.get("cause")] += 1
            assert (await before).status in {200, 401}
    return verdicts
