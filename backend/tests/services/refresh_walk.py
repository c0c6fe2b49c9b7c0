"""A person with sign-ins, as a random walk holds them: what was handed out, what the model says, and the rows.

A walk's step sends one request, or two at once, to workers of production. It passes when answers and rows are those
of some order in which the model takes the same requests.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

import httpx2
from hypothesis.stateful import RuleBasedStateMachine
from sqlalchemy import select

from app.models import Session
from app.runtime import Runtime
from tests.accounts import Accounts, Person
from tests.answers import problem_of
from tests.rows import let_time_pass
from tests.services.refresh_model import DONE, Answer, Line, Request, begin, logout, outcomes, refresh
from tests.services.workers import Call, Workers
from tests.tokens import access_claims

MOVED = (
    Session.created_at,
    Session.authenticated_at,
    Session.refreshed_at,
    Session.idle_expires_at,
    Session.expires_at,
)


class SignIn:
    """One sign-in: the model's line, and every token that it was ever given."""

    def __init__(self, line: Line, tokens: dict[str, Any]) -> None:
        self.line = line
        self.session_id = UUID(access_claims(tokens["access_token"])["sid"])
        self.refresh_tokens = [tokens["refresh_token"]]
        """By count."""
        self.access_tokens = [tokens["access_token"]]

    def understood(self, response: httpx2.Response) -> Answer:
        """Return what an answer says. A refresh token is known by its count, and one never seen gets the next."""
        if response.status_code == 401:
            return Answer(cause=problem_of(response, 401, "SESSION_ENDED")["cause"])
        assert response.status_code in {200, 204}, response.text
        tokens = response.json() if response.status_code == 200 else {}
        if "refresh_token" not in tokens:
            return DONE
        self.access_tokens.append(tokens["access_token"])
        if tokens["refresh_token"] not in self.refresh_tokens:
            self.refresh_tokens.append(tokens["refresh_token"])
        return Answer(child=self.refresh_tokens.index(tokens["refresh_token"]))

    def count(self, back: int) -> int:
        """Return the count of the refresh token that was current so many generations ago."""
        return max(0, self.line.counter - back)


class Walk(RuleBasedStateMachine):
    """What the rules of a walk are made of. A subclass names the workers, an administrator, and the rules."""

    workers: ClassVar[Workers]
    admin: ClassVar[Person]

    def __init__(self) -> None:
        super().__init__()
        self.now = timedelta()
        self.person = self.workers.run(register, self.workers)
        self.sign_ins: list[SignIn] = []

    def alive(self) -> list[SignIn]:
        return [sign_in for sign_in in self.sign_ins if sign_in.line.cause(self.now) is None]

    def dead(self) -> list[SignIn]:
        return [sign_in for sign_in in self.sign_ins if sign_in.line.cause(self.now) is not None]

    def living(self, choice: int) -> SignIn:
        """Return one of the living sign-ins, a new one if there is none."""
        candidates = self.alive() or [self.sign_in(worker=0)]
        return candidates[choice % len(candidates)]

    def sign_in(self, *, worker: int) -> SignIn:
        form = {"username": self.person.email, "password": self.person.password}
        response = self.send(Call(worker, "POST", "/auth/login", content={"data": form}))
        assert response.status_code == 200, response.text
        self.sign_ins.append(SignIn(begin(self.now), response.json()))
        return self.sign_ins[-1]

    def send(self, call: Call) -> httpx2.Response:
        return self.workers.send(call)[0]

    def refreshing(self, sign_in: SignIn, *, back: int, worker: int) -> tuple[Request, Call]:
        count = sign_in.count(back)
        return refresh(count, self.now), refresh_call(worker, sign_in.refresh_tokens[count])

    def signing_out(self, sign_in: SignIn, *, worker: int) -> tuple[Request, Call]:
        return logout(self.now), Call(worker, "POST", "/auth/logout", access_token=sign_in.access_tokens[-1])

    def meet(self, sign_in: SignIn, *requests: tuple[Request, Call]) -> None:
        """Send requests at once. Their answers and the row must be those of some order of them in the model."""
        responses = self.workers.send(*(call for _, call in requests))
        answers = [sign_in.understood(response) for response in responses]
        row = self.rows()[sign_in.session_id]
        possible = outcomes(sign_in.line, *(request for request, _ in requests))
        matching = [line for line, expected in possible if (expected, (line.counter, line.ended)) == (answers, row)]
        assert matching, f"{answers} with the row {row} are none of {possible}"
        sign_in.line = matching[0]

    def end_all(self, cause: str) -> None:
        """Let the model end every sign-in."""
        for sign_in in self.sign_ins:
            sign_in.line = sign_in.line.ended_by(cause, self.now)

    def set_enabled(self, enabled: bool) -> None:
        body = {"json": {"is_active": enabled}}
        token = self.admin.tokens["access_token"]
        response = self.send(Call(1, "PATCH", f"/users/{self.person.id}", access_token=token, content=body))
        assert response.status_code == 200, response.text

    def check_dead(self, dead: Sequence[SignIn]) -> None:
        """Assert that the newest tokens of dead sign-ins do nothing, on any worker, and that all say why."""
        refreshes = [refresh_call(0, sign_in.refresh_tokens[-1]) for sign_in in dead]
        uses = [Call(1, "GET", "/auth/me", access_token=sign_in.access_tokens[-1]) for sign_in in dead]
        answers = self.workers.send(*refreshes, *uses)
        causes = [problem_of(response, 401, "SESSION_ENDED")["cause"] for response in answers]
        assert causes == [sign_in.line.cause(self.now) for sign_in in dead] * 2

    def pass_time(self, by: timedelta) -> None:
        self.now += by
        if by:
            not_ended = [sign_in.session_id for sign_in in self.sign_ins if sign_in.line.ended is None]
            self.workers.run(move_back, self.runtime, not_ended, by)

    def rows(self) -> dict[UUID, tuple[int, str | None]]:
        """Return counter and cause of every session of the person."""
        return self.workers.run(rows_of, self.runtime, self.person)

    @property
    def runtime(self) -> Runtime:
        return self.workers.running[0].runtime


def refresh_call(worker: int, token: str) -> Call:
    return Call(worker, "POST", "/auth/refresh", content={"json": {"refresh_token": token}})


async def register(workers: Workers) -> Person:
    return await Accounts(workers.running[0].http, workers.running[0].runtime).register()


async def administrator(workers: Workers) -> Person:
    return await Accounts(workers.running[0].http, workers.running[0].runtime).administrator()


async def move_back(runtime: Runtime, sessions: Sequence[UUID], by: timedelta) -> None:
    for session_id in sessions:
        await let_time_pass(runtime, session_id, *MOVED, by=by)


async def rows_of(runtime: Runtime, person: Person) -> dict[UUID, tuple[int, str | None]]:
    statement = select(Session.id, Session.counter, Session.end_cause).where(Session.user_id == UUID(person.id))
    return {row.id: (row.counter, row.end_cause) for row in await runtime.database.read.all(statement)}
