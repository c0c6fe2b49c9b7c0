"""What should become of a sign-in: rotation, grace, reuse and every end, in a few lines that share nothing with ours.

A request is a row of steps, each of which happens at one moment. Requests that meet may come out in as many ways as
their steps can be shuffled, and in no other.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import permutations

GRACE = timedelta(seconds=250)
IDLE = timedelta(days=1)
ABSOLUTE = timedelta(days=2)
REUSED = "refresh_token_reused"


@dataclass(frozen=True)
class Answer:
    """The count of the refresh token that was handed out, or the cause of a refusal, or neither: done."""

    child: int | None = None
    cause: str | None = None


DONE = Answer()


@dataclass(frozen=True)
class Line:
    """One sign-in and the refresh tokens that descend from it. Times are on the walk's own clock."""

    refreshed_at: timedelta
    idle_end: timedelta
    end: timedelta
    counter: int = 0
    ended: str | None = None
    """Why somebody ended it. Time ends it too, and leaves no mark until somebody would."""

    def cause(self, now: timedelta) -> str | None:
        """Why it is dead by now, or None. Of two limits the earlier one was it."""
        if self.ended or min(self.idle_end, self.end) > now:
            return self.ended
        return "idle_timeout" if self.idle_end < self.end else "absolute_timeout"

    def rotated(self, now: timedelta) -> "Line":
        return replace(self, counter=self.counter + 1, refreshed_at=now, idle_end=min(now + IDLE, self.end))

    def ended_by(self, cause: str, now: timedelta) -> "Line":
        """End it for good. A dead one keeps the cause that it has."""
        return replace(self, ended=self.cause(now) or cause)


Step = Callable[[Line], tuple[Line, Answer]]
Request = tuple[Step, ...]


def begin(now: timedelta) -> Line:
    return Line(refreshed_at=now, idle_end=now + IDLE, end=now + ABSOLUTE)


def refresh(count: int, now: timedelta) -> Request:
    """Present the token with this count."""

    def step(line: Line) -> tuple[Line, Answer]:
        if cause := line.cause(now):
            return line, Answer(cause=cause)
        if count == line.counter:
            return line.rotated(now), Answer(child=line.counter + 1)
        if count == line.counter - 1 and now - line.refreshed_at <= GRACE:
            return line, Answer(child=line.counter)
        return line.ended_by(REUSED, now), Answer(cause=REUSED)

    return (step,)


def use(now: timedelta) -> Request:
    """Call any route with an access token."""
    return (lambda line: (line, Answer(cause=line.cause(now))),)


def logout(now: timedelta) -> Request:
    """Sign out: the guard looks first, and something may happen before the end is written."""
    return *use(now), lambda line: (line.ended_by("logout", now), DONE)


def outcomes(line: Line, *requests: Request) -> list[tuple[Line, list[Answer]]]:
    """Return every way in which requests that are sent at once may come out."""
    turns = [number for number, request in enumerate(requests) for _ in request]
    return [_in_order(line, requests, order) for order in sorted(set(permutations(turns)))]


def _in_order(line: Line, requests: tuple[Request, ...], order: tuple[int, ...]) -> tuple[Line, list[Answer]]:
    steps = [iter(request) for request in requests]
    answers = [DONE] * len(requests)
    for number in order:
        step = next(steps[number])
        if answers[number].cause is None:
            line, answers[number] = step(line)
    return line, answers
