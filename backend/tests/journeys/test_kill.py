"""Worker processes are killed among refreshes. Linux only: it tells which processes are workers."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import settings_for
from tests.journeys.pair import ISSUER, client_of, held, served_by
from tests.journeys.refreshing import Crowd, check_account, crowd_of
from tests.journeys.server import Server, open_files, running

CLIENTS, TURNS = 20, 25
"""Twice this many refreshes make a thousand."""


@pytest.fixture
def server(database_url: str, tmp_path: Path) -> Iterator[Server]:
    """A server of two workers. Its grace is longer than the slowest machine takes for all of this."""
    with running(tmp_path, **served_by(database_url, WORKERS="2", REFRESH_GRACE_SECONDS="300")) as one:
        yield one


async def test_workers_killed_among_a_thousand_refreshes_cost_nobody_the_session(
    server: Server, database_url: str
) -> None:
    """3.4-02, 3.4-04: no client is signed out, no token works twice outside the rule, and a retry heals everything.

    Both first workers are killed, one after the other, so that in the end one that the supervisor has started by
    itself does the work.
    """
    async with held(settings_for(database_url, PUBLIC_URL=ISSUER)) as runtime, client_of(server) as http:
        crowd = await crowd_of(CLIENTS, runtime, http)
        workers = server.wait_for_workers(2)
        busiest = await kill_among_refreshes(crowd, workers)
        assert crowd.unanswered > 0, "nobody was waiting for the worker that was killed"
        await asyncio.to_thread(server.wait_for_workers, 2, without={busiest})
        await kill_among_refreshes(crowd, workers - {busiest})
        await asyncio.to_thread(server.wait_for_workers, 2, without=workers)
        await check_account(runtime, crowd)


@pytest.mark.only("sqlite")
def test_a_worker_that_dies_while_it_owes_an_answer_is_replaced_at_once(server: Server) -> None:
    """Twice a second the supervisor asks its workers whether they are well, and the slow have half a minute to say so.

    The dead must not have it: a server of two would go on with one for so long, and nobody would replace that one.
    """
    stuck = min(server.wait_for_workers(2))
    os.kill(stuck, signal.SIGSTOP)
    time.sleep(1)  # From outside nobody sees that the question was asked. This is twice the time in which it is.
    os.kill(stuck, signal.SIGKILL)
    server.wait_for_workers(2, without={stuck})


async def kill_among_refreshes(crowd: Crowd, workers: set[int]) -> int:
    """Refresh by all clients at once, kill the busiest of these workers half-way, and return its process id."""
    async with crowd.refreshing(TURNS):
        await crowd.after(CLIENTS * TURNS // 2)
        # In a thread, so that requests go on while it is found out.
        return await asyncio.to_thread(kill_the_busiest, workers)


def kill_the_busiest(workers: set[int]) -> int:
    """Kill the process that holds the most connections, and return its id."""
    busiest = max(workers, key=open_files)
    os.kill(busiest, signal.SIGKILL)
    return busiest
