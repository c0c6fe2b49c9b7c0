"""`python -m bench.equal_answers`: whether the time of an answer tells a stranger who has an account.

Each route is asked about a known and an unknown address in turn, one request after the other on one connection, as somebody
would who wants to find out. What counts is the ratio of the two medians with its interval of 95 %.
"""

import argparse
import asyncio
import multiprocessing
import multiprocessing.connection
import random
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from sqlalchemy import update

from app.config import Settings
from app.database import Database
from app.models import User
from app.models.role import ADMINISTRATOR
from bench import machine, servers
from bench.client import API, Connection, UnexpectedAnswer, answers, login_form, post_form, post_json
from bench.people import PASSWORD
from tests.postgres import PostgresNotFound, PostgresStartError
from tests.smtp import mail_server

TOLERANCE = 0.05
"""A route fails when its whole interval is further from 1."""
_RESAMPLES = 1000
_SETTINGS = {
    "EMAIL_VERIFICATION": "required",
    "MAIL_FROM": "accounts@example.com",
    "MAIL_PER_ADDRESS_PER_HOUR": "1000",
    "SMTP_HOST": "127.0.0.1",
    "SMTP_SECURITY": "none",
}
"""As in production, with mail. No cap, because each route is asked about the same people."""
_STATUSES = {202, 401}
_WRONG = "not the password of anybody here"


@dataclass(frozen=True)
class People:
    """Addresses with an account, proved and not yet, and two people who are signed in."""

    proved: list[str]
    unproved: list[str]
    caller: str
    """The access token of an ordinary account."""
    administrator: str


@dataclass(frozen=True)
class Case:
    """One route, and who is known to it."""

    name: str
    known: Sequence[str]
    request: Callable[[str], bytes]
    """Returns the request about an address."""


@dataclass(frozen=True)
class Row:
    """The milliseconds of a case, and what they say. Ratios are known over unknown."""

    name: str
    known: float
    unknown: float
    ratio: float
    low: float
    high: float

    @property
    def tells(self) -> bool:
        """Whether a stranger could tell the two apart by more than the tolerance."""
        return self.low > 1 + TOLERANCE or self.high < 1 - TOLERANCE


def main() -> int:
    """Run the command; 1 stands for a route that tells, or a failed measurement."""
    options = _options()
    kinds = [servers.POSTGRESQL, servers.SQLITE] if options.database == "both" else [options.database]
    print(f"{options.samples} answers for each side of each route, load average {machine.load_average()}", flush=True)
    try:
        chance = random.Random(options.seed)  # noqa: S311  # It orders requests; nothing is kept secret by it.
        rows = [row for kind in kinds for row in _measure(kind, options.samples, chance)]
    except (servers.ServerFailed, UnexpectedAnswer, PostgresNotFound, PostgresStartError) as error:
        print(error, file=sys.stderr)
        return 1
    return int(any(row.tells for row in rows))


def compared(name: str, known: Sequence[float], unknown: Sequence[float], chance: random.Random) -> Row:
    """Return what milliseconds say that were measured in pairs, with the interval by the bootstrap percentile method."""
    pairs = list(zip(known, unknown, strict=True))
    ratios = sorted(_ratio(chance.choices(pairs, k=len(pairs))) for _ in range(_RESAMPLES))
    low, high = ratios[round(0.025 * _RESAMPLES)], ratios[round(0.975 * _RESAMPLES) - 1]
    return Row(name, median(known), median(unknown), _ratio(pairs), low, high)


def _ratio(pairs: Sequence[tuple[float, float]]) -> float:
    return median(known for known, _ in pairs) / median(unknown for _, unknown in pairs)


def _measure(kind: str, samples: int, chance: random.Random) -> list[Row]:
    """Measure every case on one database, and print each as soon as it is known."""
    print(f"\n{kind:<34} known ms  unknown ms   ratio   95 % interval", flush=True)
    rows = []
    with (
        servers.scratch_directory() as scratch,
        servers.database(kind, scratch=scratch, workers=1) as url,
        _mail() as port,
    ):
        changes = {**_SETTINGS, "SMTP_PORT": str(port)}
        with servers.ostiary(url, scratch=scratch, workers=1, changes=changes) as server:
            people = asyncio.run(_people(server, samples))
            for case in _cases(people):
                row = compared(case.name, *asyncio.run(_times(server.port, case, samples, chance)), chance)
                rows.append(row)
                print(_line(row), flush=True)
    return rows


def _cases(people: People) -> Iterator[Case]:
    proved, unproved = people.proved, people.unproved

    def about(path: str, token: str | None = None, **values: str) -> Callable[[str], bytes]:
        return lambda email: post_json(f"{API}{path}", {"email": email, **values}, token=token)

    def sign_in(email: str) -> bytes:
        return post_form(f"{API}/auth/login", login_form(email, _WRONG))

    yield Case("nobody, twice (the noise)", [_address() for _ in proved], sign_in)
    yield Case("sign-in", proved, sign_in)
    yield Case("change of address", proved, about("/auth/me/email", people.caller))
    yield Case("invitation", proved, about("/invitations/", people.administrator))
    yield Case("register", proved, about("/auth/register", password=PASSWORD))
    yield Case("register, not proved yet", unproved, about("/auth/register", password=PASSWORD))
    yield Case("forgotten password", proved, about("/auth/password/forgot"))
    yield Case("verification again", unproved, about("/auth/verification/resend"))
    yield Case("verification again, proved", proved, about("/auth/verification/resend"))
    yield Case("sign-in code", proved, about("/auth/code/request"))


async def _times(port: int, case: Case, samples: int, chance: random.Random) -> tuple[list[float], list[float]]:
    """Return the milliseconds of each answer about a known address and about an unknown one. All have the same status.

    Both are asked about one after the other, in random order, so that what else the machine does falls on both.
    """
    times: tuple[list[float], list[float]] = [], []
    statuses = set()
    async with Connection(port) as connection:
        for number in range(samples):
            about = [case.known[number % len(case.known)], _address()]
            for side in chance.sample((0, 1), 2):
                request = case.request(about[side])
                began = time.perf_counter()
                status, body = await connection.ask(request)
                times[side].append((time.perf_counter() - began) * 1000)
                statuses.add(status)
                if len(statuses) > 1 or status not in _STATUSES:
                    raise UnexpectedAnswer(f"{case.name}: {sorted(statuses)} {body.decode()}")
    return times


async def _people(server: servers.Server, number: int) -> People:
    """Register everybody, prove the addresses of half of them behind the server's back, and sign two in."""
    proved, unproved = [_address() for _ in range(number)], [_address() for _ in range(number)]
    caller, administrator = _address(), _address()
    everybody = [*proved, *unproved, caller, administrator]
    register = [post_json(f"{API}/auth/register", {"email": email, "password": PASSWORD}) for email in everybody]
    await answers(server.port, register)
    url, secret = server.environment["DATABASE_URL"], server.environment["SECRET_KEY"]
    database = Database(Settings.load(ENVIRONMENT="development", DATABASE_URL=url, SECRET_KEY=secret), patient=True)
    has_proved = update(User).where(User.email_normal.in_([*proved, caller, administrator]))
    async with database.engine.begin() as connection:
        await connection.execute(has_proved.values(email_verified_at=datetime.now(UTC)))
        await connection.execute(update(User).where(User.email_normal == administrator).values(role_name=ADMINISTRATOR))
    await database.close()
    forms = [login_form(email, PASSWORD) for email in (caller, administrator)]
    tokens = await answers(server.port, [post_form(f"{API}/auth/login", form) for form in forms])
    return People(proved, unproved, *(token["access_token"] for token in tokens))


@contextmanager
def _mail() -> Iterator[int]:
    """Take the mail in a process of its own, so that it takes no time of the client's. Yields the port."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_take_mail, args=(theirs,), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def _take_mail(pipe: "multiprocessing.connection.Connection") -> None:
    async def take() -> None:
        async with mail_server() as server:
            pipe.send(server.port)
            await asyncio.Event().wait()

    asyncio.run(take())


def _address() -> str:
    return f"{secrets.token_hex(8)}@example.com"


def _line(row: Row) -> str:
    verdict = "  TELLS" if row.tells else ""
    return f"{row.name:<34} {row.known:8.2f}  {row.unknown:10.2f}  {row.ratio:6.3f}   {row.low:.3f} to {row.high:.3f}{verdict}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.equal_answers", description=__doc__)
    parser.add_argument("--database", choices=(servers.POSTGRESQL, servers.SQLITE, "both"), default="both")
    parser.add_argument("--samples", type=int, default=300, help="of each side of each route; 300")
    parser.add_argument("--seed", type=int, default=1, help="of the order of the requests and of the intervals; 1")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
