"""Random walks over sign-ins: whatever people, thieves, tabs, workers and time do, it comes out as in the model.

Time passes by moving the rows back. Its strides end far from every limit, so that the seconds which a walk itself
takes never decide on anything.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test

from app.config import Settings
from app.runtime import Runtime
from tests.accounts import Accounts
from tests.answers import problem_of
from tests.rows import change_session
from tests.services.refresh_model import ABSOLUTE, GRACE, IDLE, use
from tests.services.refresh_walk import Walk, administrator, refresh_call
from tests.services.workers import NUMBERS, Call, Workers, running_workers
from tests.tokens import at_counter, session_id_of

WITHIN_THE_GRACE = timedelta(seconds=200)
HOURS = timedelta(hours=15)
"""Less than the idle limit, and twice as much is more."""

CHOICE = st.integers(0, 1)
PAUSE = st.sampled_from([timedelta(0)] * 3 + [WITHIN_THE_GRACE, WITHIN_THE_GRACE, 2 * WITHIN_THE_GRACE, HOURS])
WORKER = st.sampled_from(NUMBERS)
BACK = st.sampled_from([0, 0, 0, 1, 1, 1, 2, 5])
"""How many generations ago a refresh token was current. Often none: a sign-in should live for a while."""


class RandomWalk(Walk):
    """One person with up to two living sign-ins. Every step may go to either of two workers."""

    @precondition(lambda self: len(self.alive()) < 2)
    @rule(worker=WORKER)
    def sign_in_once_more(self, worker: int) -> None:
        self.sign_in(worker=worker)

    @rule(pause=PAUSE, choice=CHOICE, back=BACK, worker=WORKER)
    def refresh(self, pause: timedelta, choice: int, back: int, worker: int) -> None:
        self.pass_time(pause)
        sign_in = self.living(choice)
        self.meet(sign_in, self.refreshing(sign_in, back=back, worker=worker))

    @rule(choice=CHOICE, pause=PAUSE, further=PAUSE, worker=WORKER)
    def refresh_and_try_the_parent_twice(self, choice: int, pause: timedelta, further: timedelta, worker: int) -> None:
        sign_in = self.living(choice)
        self.meet(sign_in, self.refreshing(sign_in, back=0, worker=worker))
        for wait in (pause, further):
            self.pass_time(wait)
            self.meet(sign_in, self.refreshing(sign_in, back=1, worker=worker))

    @rule(pause=PAUSE, choice=CHOICE, back=BACK)
    def two_tabs_at_once(self, pause: timedelta, choice: int, back: int) -> None:
        self.pass_time(pause)
        sign_in = self.living(choice)
        self.meet(sign_in, *(self.refreshing(sign_in, back=back, worker=worker) for worker in NUMBERS))

    @rule(choice=CHOICE, back=BACK, further=BACK)
    def owner_and_thief_at_once(self, choice: int, back: int, further: int) -> None:
        sign_in = self.living(choice)
        calls = [self.refreshing(sign_in, back=back, worker=0), self.refreshing(sign_in, back=further, worker=1)]
        self.meet(sign_in, *calls)

    @rule(choice=CHOICE, back=BACK, worker=WORKER)
    def refresh_and_sign_out_at_once(self, choice: int, back: int, worker: int) -> None:
        sign_in = self.living(choice)
        refreshing = self.refreshing(sign_in, back=back, worker=worker)
        self.meet(sign_in, refreshing, self.signing_out(sign_in, worker=1))
        self.check_dead([sign_in])

    @rule(choice=CHOICE, everywhere=st.booleans(), worker=WORKER)
    def sign_out(self, choice: int, everywhere: bool, worker: int) -> None:
        sign_in = self.living(choice)
        if not everywhere:
            return self.meet(sign_in, self.signing_out(sign_in, worker=worker))
        call = Call(worker, "POST", "/auth/logout/all", access_token=sign_in.access_tokens[0])
        assert self.send(call).status_code == 204
        return self.end_all("logout_all")

    @precondition(lambda self: self.sign_ins)
    @rule()
    def be_disabled_for_a_while(self) -> None:
        self.set_enabled(False)
        self.end_all("user_disabled")
        self.set_enabled(True)

    @rule(pause=PAUSE)
    def let_time_pass(self, pause: timedelta) -> None:
        self.pass_time(pause)

    @rule(worker=WORKER)
    def restart(self, worker: int) -> None:
        self.workers.stop(worker)
        self.workers.start(worker)

    @rule(choice=CHOICE, age=st.integers(0, 5), worker=WORKER)
    def use_an_access_token(self, choice: int, age: int, worker: int) -> None:
        sign_in = self.living(choice)
        tokens = sign_in.access_tokens
        call = Call(worker, "GET", "/auth/me", access_token=tokens[max(0, len(tokens) - 1 - age)])
        self.meet(sign_in, (use(self.now), call))

    @precondition(lambda self: self.dead())
    @rule(choice=st.integers(0, 5), back=st.integers(0, 3), worker=WORKER)
    def try_a_dead_one(self, choice: int, back: int, worker: int) -> None:
        sign_in = self.dead()[choice % len(self.dead())]
        self.meet(sign_in, self.refreshing(sign_in, back=back, worker=worker))

    @rule(choice=CHOICE, place=st.integers(7, 118), worker=WORKER)
    def forge(self, choice: int, place: int, worker: int) -> None:
        token = self.living(choice).refresh_tokens[-1]
        forged = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        problem_of(self.send(refresh_call(worker, forged)), 401, "REFRESH_TOKEN_INVALID")

    @rule(choice=CHOICE, ahead=st.integers(1, 5), worker=WORKER)
    def forge_a_later_one_with_the_server_secret(self, choice: int, ahead: int, worker: int) -> None:
        sign_in = self.living(choice)
        forged = at_counter(self.runtime.settings, sign_in.refresh_tokens[0], sign_in.line.counter + ahead)
        problem_of(self.send(refresh_call(worker, forged)), 401, "REFRESH_TOKEN_INVALID")

    @invariant()
    def every_session_is_as_in_the_model(self) -> None:
        expected = {one.session_id: (one.line.counter, one.line.ended) for one in self.sign_ins}
        assert self.rows() == expected

    @invariant()
    def every_refresh_token_was_handed_out_for_one_count(self) -> None:
        tokens = [token for sign_in in self.sign_ins for token in sign_in.refresh_tokens]
        assert len(set(tokens)) == len(tokens)
        assert len(tokens) == sum(sign_in.line.counter + 1 for sign_in in self.sign_ins)

    def teardown(self) -> None:
        for sign_in in self.dead():
            self.check_dead([sign_in])


@pytest.fixture
def workers(settings: Settings) -> Iterator[Workers]:
    with running_workers(settings) as running:
        yield running


@pytest.mark.settings(
    REFRESH_GRACE_SECONDS=int(GRACE.total_seconds()),
    REFRESH_TOKEN_EXPIRE_DAYS=IDLE.days,
    SESSION_MAX_DAYS=ABSOLUTE.days,
)
def test_every_walk_of_sign_ins_and_refreshes_ends_as_in_the_model(workers: Workers) -> None:
    """3.4-02, 3.4-03, 3.4-04, OA-11, OA-13: two tabs, retries, thieves, sign-outs, restarts and time in any order."""

    class Here(RandomWalk):
        pass

    Here.workers, Here.admin = workers, workers.run(administrator, workers)
    bounds = hypothesis.settings(
        max_examples=10,
        stateful_step_count=20,
        deadline=None,
        print_blob=True,
        phases=[Phase.reuse, Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow],
    )
    run_state_machine_as_test(Here, settings=bounds)


async def test_a_session_that_time_has_ended_keeps_that_cause(accounts: Accounts, runtime: Runtime) -> None:
    """OA-13: what happens to the user afterwards does not rewrite why they were signed out."""
    admin, ada = await accounts.administrator(), await accounts.signed_in()
    await change_session(runtime, session_id_of(ada), idle_expires_at=datetime.now(UTC) - timedelta(days=1))
    for is_active in (False, True):
        assert (await admin.patch(f"/users/{ada.id}", json={"is_active": is_active})).status_code == 200
        assert problem_of(await ada.refresh(), 401, "SESSION_ENDED")["cause"] == "idle_timeout"
