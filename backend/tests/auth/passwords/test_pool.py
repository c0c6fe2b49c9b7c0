import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import anyio.to_thread
import pytest

import app
from app.auth.passwords.hashing import PasswordHasher
from app.auth.passwords.pool import CLIENT_GONE, HashingPool
from app.exceptions import HashingBusy

PASSWORD = "correct horse battery staple"
ON_LINUX = os.uname().sysname == "Linux"
PATIENCE = 10.0
"""Seconds after which a test that hangs fails. No test waits for time to pass."""


class Gate:
    """Work that takes exactly as long as a test wants it to."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.opened = threading.Event()
        self.inside = 0
        self.most_inside = 0
        self.threads: list[int] = []
        self._lock = threading.Lock()

    def hold(self) -> int:
        with self._lock:
            self.inside += 1
            self.most_inside = max(self.most_inside, self.inside)
            self.threads.append(threading.get_ident())
        self.entered.release()
        assert self.opened.wait(PATIENCE)
        with self._lock:
            self.inside -= 1
        return threading.get_ident()

    async def wait_for(self, number: int) -> None:
        """Return once so many pieces of work have begun."""
        for _ in range(number):
            assert await anyio.to_thread.run_sync(lambda: self.entered.acquire(timeout=PATIENCE))


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.opened.set()


@pytest.fixture
def hasher() -> PasswordHasher:
    return PasswordHasher(memory_kib=8, iterations=1)


@pytest.fixture
def pool(hasher: PasswordHasher) -> Iterator[HashingPool]:
    """One thread, and room for two who wait."""
    pool = HashingPool(hasher, threads=1, queue=2)
    yield pool
    pool.close()


async def settle() -> None:
    """Let every task that can go on do so."""
    for _ in range(10):
        await asyncio.sleep(0)


async def occupy(pool: HashingPool, gate: Gate, number: int) -> list[asyncio.Task[int]]:
    """Take so many places, one of them running."""
    tasks = [asyncio.create_task(pool._run(gate.hold)) for _ in range(number)]
    await gate.wait_for(1)
    return tasks


async def is_full(pool: HashingPool) -> bool:
    """Whether one more caller is turned away, at once. One who is not goes away again without waiting for an answer."""
    task = asyncio.create_task(pool._run(int))
    await settle()
    if task.done():
        return isinstance(task.exception(), HashingBusy)
    task.cancel()
    await asyncio.wait([task])
    return False


async def test_what_is_hashed_is_verified(pool: HashingPool) -> None:
    stored = await pool.hash(PASSWORD)
    assert await pool.verify(PASSWORD, stored)
    assert not await pool.verify(PASSWORD + "r", stored)
    assert not await pool.verify("", None)
    assert not pool.needs_rehash(stored)
    assert pool.needs_rehash("$2b$04$" + "a" * 53)


async def test_hashing_runs_in_another_thread_than_the_event_loop(pool: HashingPool, gate: Gate) -> None:
    """S79, PW-12, 3.9-01"""
    gate.opened.set()
    assert await pool._run(gate.hold) != threading.get_ident()


async def test_passwords_are_hashed_where_the_work_runs() -> None:
    """S79, PW-12: `hash` and `verify` take the same way; the loop's own thread computes nothing."""

    class Watched(PasswordHasher):
        threads: set[int]

        def hash(self, password: str) -> str:
            self.threads.add(threading.get_ident())
            return super().hash(password)

        def verify(self, password: str, stored: str | None) -> bool:
            self.threads.add(threading.get_ident())
            return super().verify(password, stored)

    watched = Watched(memory_kib=8, iterations=1)
    watched.threads = set()
    pool = HashingPool(watched, threads=1, queue=0)
    await pool.verify(PASSWORD, await pool.hash(PASSWORD))
    await pool.verify(PASSWORD, None)
    pool.close()
    assert len(watched.threads) == 1
    assert threading.get_ident() not in watched.threads


async def test_the_event_loop_goes_on_while_a_hash_is_computed(pool: HashingPool, gate: Gate) -> None:
    """S79, PW-12, 3.9-01: were the loop held, it could not open the gate that the work waits at."""
    (task,) = await occupy(pool, gate, 1)
    await settle()
    assert not task.done()
    gate.opened.set()
    assert await task in gate.threads


async def test_no_more_work_runs_at_once_than_there_are_threads(hasher: PasswordHasher, gate: Gate) -> None:
    """PW-12"""
    pool = HashingPool(hasher, threads=2, queue=20)
    tasks = [asyncio.create_task(pool._run(gate.hold)) for _ in range(20)]
    await gate.wait_for(2)
    await settle()
    assert gate.inside == 2
    gate.opened.set()
    await asyncio.gather(*tasks)
    pool.close()
    assert gate.most_inside == 2
    assert len(set(gate.threads)) == 2


async def test_who_comes_first_is_served_first(pool: HashingPool, gate: Gate) -> None:
    """PW-12: nobody waits for ever behind those who came later."""
    served: list[int] = []
    (first,) = await occupy(pool, gate, 1)
    later = [asyncio.create_task(pool._run(partial(served.append, number))) for number in (1, 2)]
    await settle()
    gate.opened.set()
    await asyncio.gather(first, *later)
    assert served == [1, 2]


# The queue has an end.


async def test_one_more_than_there_is_room_for_is_told_at_once(pool: HashingPool, gate: Gate) -> None:
    """PW-12, 3.9-01: one runs, two wait, the fourth is answered rather than queued without end."""
    await occupy(pool, gate, 3)
    before = pool.computed
    with pytest.raises(HashingBusy):
        await pool.hash(PASSWORD)
    with pytest.raises(HashingBusy):
        await pool.verify(PASSWORD, None)
    assert pool.computed == before


async def test_without_a_queue_only_those_who_run_have_a_place(hasher: PasswordHasher, gate: Gate) -> None:
    """PW-12"""
    pool = HashingPool(hasher, threads=1, queue=0)
    (running,) = await occupy(pool, gate, 1)
    assert await is_full(pool)
    gate.opened.set()
    await running
    assert await pool.hash(PASSWORD)
    pool.close()


async def test_those_who_were_turned_away_hold_no_place(pool: HashingPool, gate: Gate) -> None:
    """PW-12: a flood leaves no trace once it is over."""
    tasks = await occupy(pool, gate, 3)
    for _ in range(100):
        assert await is_full(pool)
    gate.opened.set()
    await asyncio.gather(*tasks)
    assert pool._in_flight == 0
    assert await pool.verify(PASSWORD, await pool.hash(PASSWORD))


async def test_a_place_is_free_as_soon_as_its_answer_is_there(hasher: PasswordHasher) -> None:
    """PW-12: the next caller, in the same moment, is not turned away by the last."""
    pool = HashingPool(hasher, threads=1, queue=0)
    for _ in range(50):
        await pool.hash(PASSWORD)
    pool.close()


async def test_a_place_is_given_back_after_an_accident(pool: HashingPool) -> None:
    """PW-12: work that fails fails for its caller, and for nobody after."""

    def fail() -> None:
        raise ZeroDivisionError

    for _ in range(10):
        with pytest.raises(ZeroDivisionError):
            await pool._run(fail)
    assert pool._in_flight == 0
    with pytest.raises(UnicodeEncodeError):
        await pool.hash("\ud800")
    assert await pool.hash(PASSWORD)


async def test_a_waiter_who_goes_away_gives_up_the_place(pool: HashingPool, gate: Gate) -> None:
    """PW-12: clients that hang up do not fill the queue; their work is never begun."""
    running, waiting, other = await occupy(pool, gate, 3)
    assert await is_full(pool)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    newcomer = asyncio.create_task(pool._run(gate.hold))
    await settle()
    assert not newcomer.done()
    assert await is_full(pool)
    gate.opened.set()
    await asyncio.gather(running, other, newcomer)
    assert len(gate.threads) == 3
    assert pool._in_flight == 0


async def test_a_running_hash_keeps_its_place_when_its_caller_goes_away(hasher: PasswordHasher, gate: Gate) -> None:
    """PW-12: a thread cannot be stopped, so its place is taken until it is done; hanging up buys no second one."""
    pool = HashingPool(hasher, threads=1, queue=0)
    (task,) = await occupy(pool, gate, 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await is_full(pool)
    gate.opened.set()
    await anyio.to_thread.run_sync(lambda: pool._executor.shutdown(wait=True))
    assert pool._in_flight == 0


async def test_closing_ends_those_who_wait_and_not_the_one_who_runs(pool: HashingPool, gate: Gate) -> None:
    running, waiting, other = await occupy(pool, gate, 3)
    pool.close()
    for task in (waiting, other):
        with pytest.raises(asyncio.CancelledError):
            await task
    gate.opened.set()
    assert await running in gate.threads


# What is counted.


async def test_every_hash_is_counted_whoever_it_is_for(pool: HashingPool) -> None:
    """S24, 3.7-01: tests of sign-in read this counter, and so must be able to trust it."""
    assert pool.computed == 0
    stored = await pool.hash(PASSWORD)
    assert pool.computed == 1
    for known in (stored, None, "", "broken", "$2b$04$broken"):
        before = pool.computed
        await pool.verify(PASSWORD, known)
        assert pool.computed == before + 1
    pool.needs_rehash(stored)
    assert pool.computed == 6


# Priority.


async def test_hashing_threads_let_others_go_first(pool: HashingPool) -> None:
    """PW-12, 3.9-01: on Linux every thread has a priority; the event loop keeps its own."""

    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) if ON_LINUX else 10

    before = priority()
    assert await pool._run(priority) == max(10, before)
    assert priority() == before


def test_a_server_that_may_not_set_priorities_hashes_all_the_same() -> None:
    """PW-12: started with a lower priority than the hashing threads' (`nice`, a service manager), or where the
    system forbids the call, an ordinary user may not raise it again. Sign-in must not depend on that."""
    backend = Path(app.__file__).parent.parent
    answer = subprocess.run(
        [sys.executable, "-c", NICE_SERVER], cwd=backend, capture_output=True, text=True, check=False, timeout=60
    )
    assert answer.stdout.split() == ["True"], answer.stderr[-600:]


NICE_SERVER = """
import asyncio, os
import nacl.pwhash
from app.auth.passwords.hashing import PasswordHasher
from app.auth.passwords.pool import HashingPool

hasher = PasswordHasher(memory_kib=8, iterations=1)
os.nice(15)
if os.getuid() == 0:
    os.setuid(65534)

async def main():
    pool = HashingPool(hasher, threads=1, queue=1)
    print(await pool.verify("x", await pool.hash("x")))
    pool.close()

asyncio.run(main())
"""


async def test_who_would_wait_too_long_is_turned_away_at_once(hasher: PasswordHasher, gate: Gate) -> None:
    """PW-12: how long is guessed from the hashes before."""
    pool = HashingPool(hasher, threads=1, queue=1000, wait_seconds=1)
    pool._each_seconds = 0.4
    tasks = await occupy(pool, gate, 1)
    tasks += [asyncio.create_task(pool._run(gate.hold)) for _ in range(2)]
    await settle()
    assert await is_full(pool)
    with pytest.raises(HashingBusy):
        pool.check_capacity()
    gate.opened.set()
    await asyncio.gather(*tasks)
    assert not pool.is_waited_for
    pool.close()


async def test_who_has_waited_too_long_nevertheless_is_not_hashed_for(hasher: PasswordHasher, gate: Gate) -> None:
    """PW-12: the guess was too low; the work would hold up everybody behind as well."""
    pool = HashingPool(hasher, threads=1, queue=10, wait_seconds=0.05)
    pool._each_seconds = 0.0
    (running,) = await occupy(pool, gate, 1)
    waiting = asyncio.create_task(pool._run(gate.hold))
    await asyncio.sleep(0.1)
    gate.opened.set()
    await running
    with pytest.raises(HashingBusy):
        await waiting
    assert len(gate.threads) == 1
    pool.close()


async def test_a_place_counts_until_its_hash_does_and_is_given_back_without_one(pool: HashingPool, gate: Gate) -> None:
    """PW-12"""
    stored = await pool.hash(PASSWORD)
    tasks = await occupy(pool, gate, 1)
    with pool.place() as place:
        with pool.place():
            assert await is_full(pool)
            with pytest.raises(HashingBusy), pool.place():
                pass
            # Whoever has a place is not refused, and takes no second one.
            verifying = asyncio.create_task(pool.verify(PASSWORD, stored, place=place))
            await settle()
            assert not verifying.done()
            assert await is_full(pool)
        assert not await is_full(pool)
    assert not await is_full(pool)
    tasks += [asyncio.create_task(pool._run(gate.hold))]
    await settle()
    assert await is_full(pool)
    gate.opened.set()
    await asyncio.gather(*tasks)
    assert await verifying
    assert not pool.is_waited_for


async def test_who_is_cancelled_while_their_client_is_watched_is_not_hashed_for(pool: HashingPool, gate: Gate) -> None:
    """PW-12"""
    tasks = await occupy(pool, gate, 1)
    token = CLIENT_GONE.set(asyncio.get_running_loop().create_future())
    waiting = asyncio.create_task(pool._run(gate.hold))
    CLIENT_GONE.reset(token)
    await settle()
    waiting.cancel()
    await asyncio.wait([waiting])
    gate.opened.set()
    await asyncio.gather(*tasks)
    await pool.hash(PASSWORD)
    assert len(gate.threads) == 1


async def test_a_place_in_one_pool_is_none_in_another(pool: HashingPool, hasher: PasswordHasher, gate: Gate) -> None:
    other = HashingPool(hasher, threads=1, queue=0)
    tasks = await occupy(pool, gate, 3)
    with other.place() as place:
        with pytest.raises(HashingBusy):
            await pool.verify(PASSWORD, None, place=place)
        assert other._kept == 1
    assert other._kept == 0
    gate.opened.set()
    await asyncio.gather(*tasks)
    other.close()
