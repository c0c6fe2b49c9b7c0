"""Who is measured: each system in each of its variants, started, with people in it, and its promises kept."""

import re
import secrets
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import asyncpg

from bench.client import UnexpectedAnswer
from bench.peers import apis, serving
from bench.peers.apis import Api
from bench.peers.client import Answer, answers
from bench.peers.serving import Place
from bench.people import ACCOUNTS, PASSWORD
from bench.servers import Server

EQUAL = "Argon2id 19 MiB t=2 p=1"
_OFTEN = 64


@dataclass(frozen=True)
class Contender:
    """A system in one of its variants. `hashing` is checked against what it stores."""

    key: str
    system: str
    api: Api
    start: Callable[[Place, str, str], AbstractContextManager[Server]]
    stored_hashes: str
    """A statement that finds a stored password."""
    hashing: str = EQUAL
    sessions: str = "database"
    proof: str = ""
    """What a signed-in request shows, in words."""

    @property
    def is_revocable(self) -> bool:
        """Whether a session that has ended is refused at once."""
        return self.sessions == "database"

    def run(self, place: Place) -> AbstractContextManager[Server]:
        """Start it, until the end of the block."""
        return self.start(place, "equal" if self.hashing == EQUAL else "default", self.sessions)


def _ostiary() -> Contender:
    statement = "SELECT password_hash FROM users WHERE password_hash IS NOT NULL LIMIT 1"
    return Contender("ostiary", "Ostiary", apis.OSTIARY, serving.ostiary, statement, proof="access token, strict")


def _fastapi_users(variant: str, hashing: str = EQUAL, sessions: str = "database") -> Contender:
    key, proof = f"fastapi-users{variant}", "DatabaseStrategy" if sessions == "database" else "JWTStrategy"
    statement = 'SELECT hashed_password FROM "user" LIMIT 1'
    return Contender(
        key, "fastapi-users", apis.FASTAPI_USERS, serving.fastapi_users, statement, hashing, sessions, proof
    )


def _better_auth(variant: str, hashing: str = EQUAL, sessions: str = "database") -> Contender:
    key, proof = f"better-auth{variant}", "cookie" if sessions == "database" else "cookie, cookieCache"
    statement = "SELECT password FROM account LIMIT 1"
    return Contender(key, "better-auth", apis.BETTER_AUTH, serving.better_auth, statement, hashing, sessions, proof)


CONTENDERS = {
    contender.key: contender
    for contender in (
        _ostiary(),
        _fastapi_users(""),
        _better_auth(""),
        _fastapi_users("-jwt", sessions="jwt"),
        _better_auth("-cached", sessions="cached"),
        _fastapi_users("-default-hash", "Argon2id 64 MiB t=3 p=4"),
        _better_auth("-default-hash", "scrypt 32 MiB N=16384 r=16 p=1"),
    )
}


@dataclass(frozen=True)
class Running:
    """A contender that runs, with the people whom the load needs."""

    contender: Contender
    place: Place
    server: Server
    emails: Sequence[str]

    @property
    def credentials(self) -> list[str]:
        """What each of the people signs in with."""
        return [self.contender.api.credentials(email, PASSWORD) for email in self.emails]

    async def sign_in(self, sessions: int) -> list[Answer]:
        """Begin so many new sessions, everybody in turn. Raises `UnexpectedAnswer` unless each of them works."""
        api, credentials = self.contender.api, self.credentials
        found = await self.successes([api.sign_in(credentials[index % len(credentials)]) for index in range(sessions)])
        await self.check_sessions([api.credential(answer) for answer in found])
        return found

    async def check_sessions(self, credentials: Sequence[str], *, good: bool = True) -> None:
        """Raise `UnexpectedAnswer` unless all of these are good, or none. better-auth refuses with a 200 and `null`."""
        for answer in await answers(self.server.port, [self.contender.api.ask_me(each) for each in credentials]):
            if (answer.is_success and b"@example.com" in answer.body) != good:
                raise UnexpectedAnswer(f"{self.contender.key}, own account: {answer}")

    async def successes(self, requests: Sequence[bytes]) -> list[Answer]:
        """Send requests and return the answers, or raise `UnexpectedAnswer` for the first that is no success."""
        found = await answers(self.server.port, requests)
        for answer in found:
            if not answer.is_success:
                raise UnexpectedAnswer(f"{self.contender.key}: {answer}")
        return found

    def write(self, name: str, lines: Sequence[str]) -> str:
        """Write a file for wrk with one line for each request, and return its path."""
        path = self.place.scratch / f"{self.contender.key}-{name}"
        path.write_text("".join(f"{line}\n" for line in lines))
        return str(path)

    async def check(self) -> None:
        """Raise `UnexpectedAnswer` unless it does what the table says of it."""
        api = self.contender.api
        wrong = api.sign_in(api.credentials(self.emails[0], "not the password of anybody here"))
        if (await answers(self.server.port, [wrong]))[0].is_success:
            raise UnexpectedAnswer(f"{self.contender.key} takes any password")
        credential = api.credential((await self.sign_in(1))[0])
        # Often, so that every worker knows the session before it ends, and is asked afterwards.
        await self.check_sessions([credential] * _OFTEN)
        await self.successes([api.sign_out(credential)])
        await self.check_sessions([credential] * _OFTEN, good=not self.contender.is_revocable)
        stored = await _stored_password(self.place.url, self.contender.stored_hashes)
        if _named(stored) != self.contender.hashing:
            raise UnexpectedAnswer(f"{self.contender.key} hashes with {_named(stored)}")


async def people_of(contender: Contender, place: Place, server: Server) -> Running:
    """Register everybody whom the load needs, through the API as anybody would, and check what is promised."""
    emails = [f"{secrets.token_hex(8)}@example.com" for _ in range(ACCOUNTS)]
    found = Running(contender, place, server, emails)
    await found.successes([contender.api.registration(email, PASSWORD) for email in emails])
    await found.check()
    return found


async def _stored_password(url: str, statement: str) -> str:
    connection = await asyncpg.connect(url, ssl=False)
    try:
        return str(await connection.fetchval(statement))
    finally:
        await connection.close()


def _named(stored: str) -> str:
    """Return algorithm and parameters of a stored password. better-auth stores none with its scrypt, and has but these."""
    if found := re.match(r"\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$", stored):
        memory, passes, lanes = map(int, found.groups())
        return f"Argon2id {memory // 1024} MiB t={passes} p={lanes}"
    return "scrypt 32 MiB N=16384 r=16 p=1" if re.fullmatch(r"[0-9a-f]{32}:[0-9a-f]{128}", stored) else stored[:16]
