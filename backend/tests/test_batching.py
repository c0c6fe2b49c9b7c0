"""Many questions, one statement: who is answered by which read, and who is harmed by whose misfortune."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextvars import ContextVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import batching
from app.batching import BatchingReader
from app.exceptions import DatabaseUnavailable

PATIENT = 10.0
WHO = ContextVar("WHO", default="nobody")


class Accident(RuntimeError):
    """What a read failed of."""


class Reads:
    """A read function under the test's control: each read waits until it is answered, one by one.

    What it answers is the present `state`, so that a read tells when it began.
    """

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.seen: list[str] = []
        self.state = 0
        self._gates: list[asyncio.Future[None]] = []
        self._answered = 0

    async def __call__(self, keys: Sequence[str]) -> Mapping[str, int]:
        self.batches.append(list(keys))
        self.seen.append(WHO.get())
        state, gate = self.state, asyncio.get_running_loop().create_future()
        self._gates.append(gate)
        await gate
        return {key: state for key in keys if not key.startswith("missing")}

    @property
    def under_way(self) -> int:
        return sum(not gate.done() for gate in self._gates)

    async def answer(self, error: Exception | None = None) -> None:
        """Let the oldest read that is under way end, and whoever waited for it go on."""
        gate = next(gate for gate in self._gates if not gate.done())
        if error:
            gate.set_exception(error)
        else:
            gate.set_result(None)
        await settle()

    async def answer_everything(self) -> None:
        while self.under_way:
            await self.answer()


async def settle() -> None:
    """Let everything happen that waits for nothing but its turn."""
    for _ in range(10):
        await asyncio.sleep(0)


def reader(
    reads: Reads, *, statements: int = 1, batch: int = 100, deadline: float = PATIENT
) -> BatchingReader[str, int]:
    return BatchingReader(reads, statements=statements, batch=batch, deadline_seconds=deadline)


@pytest.fixture
async def reads() -> AsyncIterator[Reads]:
    """Reads of which none is left under way."""
    made = Reads()
    yield made
    await made.answer_everything()


async def asked(subject: BatchingReader[str, int], *keys: str) -> list["asyncio.Task[int | None]"]:
    """Ask, and return once every question is on its way."""
    tasks = [asyncio.create_task(subject.find(key)) for key in keys]
    await settle()
    return tasks


async def test_questions_of_one_moment_share_a_read(reads: Reads) -> None:
    subject = reader(reads)
    tasks = await asked(subject, "a", "b", "c")
    assert reads.batches == [["a", "b", "c"]]
    await reads.answer()
    assert await asyncio.gather(*tasks) == [0, 0, 0]


async def test_a_question_is_only_answered_by_a_read_that_began_after_it(reads: Reads) -> None:
    """3.5-01, 3.5-02: what was committed before the question is in the answer, whatever was under way."""
    subject = reader(reads)
    early = await asked(subject, "a")
    reads.state = 1  # Something is committed while the first read is under way: that one has not seen it.
    late = await asked(subject, "a")
    await reads.answer()
    assert await early[0] == 0
    assert not late[0].done()
    await reads.answer()
    assert await late[0] == 1
    assert reads.batches == [["a"], ["a"]]


async def test_those_who_ask_while_reads_are_under_way_share_the_next_one(reads: Reads) -> None:
    subject = reader(reads)
    await asked(subject, "first")
    tasks = [*await asked(subject, "a", "b"), *await asked(subject, "c")]
    assert reads.batches == [["first"]]
    await reads.answer()
    assert reads.batches == [["first"], ["a", "b", "c"]]
    await reads.answer()
    assert await asyncio.gather(*tasks) == [0, 0, 0]


@pytest.mark.parametrize("statements", [1, 2, 3])
async def test_there_are_never_more_reads_under_way_than_allowed(reads: Reads, statements: int) -> None:
    subject = reader(reads, statements=statements, batch=1)
    tasks = await asked(subject, *"abcdefgh")
    while reads.under_way:
        assert reads.under_way == min(statements, 8 - len(reads.batches) + reads.under_way)
        await reads.answer()
    assert reads.batches == [[key] for key in "abcdefgh"]
    assert await asyncio.gather(*tasks) == [0] * 8


async def test_a_batch_holds_no_more_than_allowed(reads: Reads) -> None:
    """In the order in which they came: nobody is overtaken for ever."""
    subject = reader(reads, batch=3)
    tasks = await asked(subject, *"abcdefgh")
    await reads.answer_everything()
    assert reads.batches == [["a", "b", "c"], ["d", "e", "f"], ["g", "h"]]
    assert await asyncio.gather(*tasks) == [0] * 8


async def test_one_key_that_many_ask_for_is_read_once(reads: Reads) -> None:
    subject = reader(reads)
    tasks = await asked(subject, "a", "b", "a", "a", "b")
    assert reads.batches == [["a", "b"]]
    await reads.answer()
    assert await asyncio.gather(*tasks) == [0] * 5


async def test_a_key_that_the_read_leaves_out_is_answered_with_nothing(reads: Reads) -> None:
    """And nobody gets another one's answer."""
    reads.state = 7
    tasks = await asked(reader(reads), "missing 1", "a", "missing 2")
    await reads.answer()
    assert await asyncio.gather(*tasks) == [None, 7, None]


async def test_an_error_reaches_all_who_waited_for_that_read_and_nobody_else(reads: Reads) -> None:
    """RV-04: the reader works on afterwards."""
    subject = reader(reads)
    unlucky = await asked(subject, "a", "b")
    lucky = await asked(subject, "a", "c")
    await reads.answer(Accident("gone"))
    for task in unlucky:
        with pytest.raises(Accident, match="gone"):
            await task
    await reads.answer()
    assert await asyncio.gather(*lucky) == [0, 0]
    (afterwards,) = await asked(subject, "a")
    await reads.answer()
    assert await afterwards == 0


async def test_a_read_that_is_cancelled_says_not_now_to_all_who_waited() -> None:
    """RV-04, V16.5.2: never that they are signed out, and never that their own request was given up."""

    async def cancelled(_: Sequence[str]) -> Mapping[str, int]:
        raise asyncio.CancelledError

    subject = BatchingReader[str, int](cancelled, statements=1, batch=10, deadline_seconds=PATIENT)
    tasks = await asked(subject, "a", "b")
    assert all(task.done() for task in tasks), "nobody waits for the deadline"
    for task in tasks:
        with pytest.raises(DatabaseUnavailable):
            await task


@pytest.mark.parametrize("given_up", ["waiting for the next read", "its read is under way"])
async def test_who_gives_up_harms_nobody_else(reads: Reads, given_up: str) -> None:
    subject = reader(reads)
    if given_up.startswith("waiting"):
        await asked(subject, "first")
    tasks = await asked(subject, "a", "a", "b")
    tasks[0].cancel()
    await settle()
    assert tasks[0].cancelled()
    await reads.answer_everything()
    assert await asyncio.gather(*tasks[1:]) == [0, 0]


async def test_a_batch_that_everybody_has_left_is_not_read(reads: Reads) -> None:
    subject = reader(reads)
    await asked(subject, "first")
    for task in await asked(subject, "a", "b"):
        task.cancel()
    await settle()
    await reads.answer()
    assert reads.batches == [["first"]]
    (later,) = await asked(subject, "c")
    await reads.answer()
    assert await later == 0


async def test_a_read_that_everybody_has_left_ends_without_a_trace(reads: Reads) -> None:
    """Warnings are errors here: a failure that nobody waits for any more must not be reported as forgotten."""
    subject = reader(reads)
    for task in await asked(subject, "a", "b"):
        task.cancel()
    await settle()
    await reads.answer(Accident("nobody listens"))
    (later,) = await asked(subject, "c")
    await reads.answer()
    assert await later == 0


async def test_whoever_waits_past_the_deadline_is_told_not_now(reads: Reads) -> None:
    """S80, RV-04: those whose read is stuck, and those who wait behind it."""
    subject = reader(reads, deadline=0.01)
    tasks = [*await asked(subject, "a"), *await asked(subject, "b")]
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(result, DatabaseUnavailable)
    await reads.answer()
    assert reads.batches == [["a"]], "nobody waits for b any more"


async def test_a_late_answer_to_who_has_given_up_is_dropped(reads: Reads) -> None:
    subject = reader(reads, deadline=0.01)
    (impatient,) = await asked(subject, "a")
    with pytest.raises(DatabaseUnavailable):
        await impatient
    reads.state = 1
    task = asyncio.create_task(subject.find("a"))
    await settle()
    await reads.answer_everything()
    assert await task == 1


async def test_one_more_than_may_wait_is_refused_at_once(reads: Reads, monkeypatch: pytest.MonkeyPatch) -> None:
    """3.9-03, RV-04: a database that hangs fills no memory, and whoever waits already is answered."""
    monkeypatch.setattr(batching, "MOST_WAITING", 3)
    subject = reader(reads)
    await asked(subject, "first")
    waiting = await asked(subject, "a", "b", "c")
    with pytest.raises(DatabaseUnavailable):
        await subject.find("d")
    await reads.answer_everything()
    assert await asyncio.gather(*waiting) == [0, 0, 0]
    (later,) = await asked(subject, "d")
    await reads.answer()
    assert await later == 0


async def test_a_read_belongs_to_no_request(reads: Reads) -> None:
    """What one request has bound to its log lines must not stand on a statement that serves others."""
    subject = reader(reads)

    async def ask_as(name: str) -> int | None:
        WHO.set(name)
        answer = await subject.find(name)
        assert WHO.get() == name
        return answer

    tasks = [asyncio.create_task(ask_as("ada"))]
    await settle()
    tasks.append(asyncio.create_task(ask_as("bob")))
    await settle()
    await reads.answer()
    await reads.answer()
    await asyncio.gather(*tasks)
    assert reads.seen == ["nobody", "nobody"]


async def test_closing_waits_for_the_reads_that_are_under_way(reads: Reads) -> None:
    subject = reader(reads, statements=2, batch=1)
    tasks = await asked(subject, "a", "b")
    closing = asyncio.create_task(subject.close())
    await settle()
    assert not closing.done()
    await reads.answer()
    assert not closing.done()
    await reads.answer()
    await closing
    assert await asyncio.gather(*tasks) == [0, 0]


async def test_closing_waits_for_the_questions_that_wait_as_well(reads: Reads) -> None:
    """Else a read begins on connections that are being closed."""
    subject = reader(reads, batch=1)
    tasks = await asked(subject, "a", "b")
    closing = asyncio.create_task(subject.close())
    await settle()
    await reads.answer()
    assert not closing.done()
    await reads.answer()
    await closing
    assert await asyncio.gather(*tasks) == [0, 0]


async def test_closing_when_nothing_is_under_way_ends_at_once(reads: Reads) -> None:
    await reader(reads).close()
    assert reads.batches == []


STEPS = st.lists(
    st.sampled_from(["ask a", "ask b", "ask missing", "answer", "fail", "cancel", "commit"]), min_size=5, max_size=60
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, statements=st.integers(1, 3), batch=st.integers(1, 4))
def test_in_every_order_of_events_nobody_gets_an_answer_older_than_the_question(
    steps: list[str], statements: int, batch: int
) -> None:
    """3.5-01, 3.5-02: and nobody waits for ever."""
    asyncio.run(_walk(steps, statements, batch))


async def _walk(steps: list[str], statements: int, batch: int) -> None:
    reads = Reads()
    subject = reader(reads, statements=statements, batch=batch)
    questions: list[tuple[str, int, asyncio.Task[int | None]]] = []
    for step in steps:
        verb, _, key = step.partition(" ")
        if verb == "ask":
            questions.append((key, reads.state, (await asked(subject, key))[0]))
        elif verb == "commit":
            reads.state += 1
        elif verb == "cancel" and questions:
            questions[len(steps) % len(questions)][2].cancel()
            await settle()
        elif verb in {"answer", "fail"} and reads.under_way:
            await reads.answer(Accident() if verb == "fail" else None)
        assert reads.under_way <= statements
    await reads.answer_everything()
    assert all(len(keys) <= batch and len(set(keys)) == len(keys) for keys in reads.batches)
    for key, state, task in questions:
        assert task.done()
        if task.cancelled() or isinstance(task.exception(), Accident):
            continue
        answer = task.result()
        assert answer is None if key == "missing" else answer is not None and answer >= state
