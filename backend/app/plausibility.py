"""Judges texts that must not be guessable, and addresses that must be exact. Pure functions that everybody may use."""

import math
import re
from collections import Counter
from itertools import pairwise
from urllib.parse import urlsplit

MINIMUM_SECRET_BYTES = 32
MINIMUM_SECRET_BITS = 100
"""Estimated from how often each character occurs: 32 random hexadecimal digits have about 120."""

_TUTORIAL_WORDS = re.compile(
    r"secret|change|replace|insecure|example|password|generate|your[-_]|ostiary", re.IGNORECASE
)
_TUTORIAL_SECRETS = frozenset({"09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7"})
_BASE_URL = re.compile(r"(https?)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?", re.IGNORECASE | re.ASCII)
_STANDARD_PORTS = {"http": "80", "https": "443"}
_HIGHEST_PORT = 65535


def secret_problem(secret: str) -> str | None:
    """Say in a few words why a server secret is not good enough, or return None."""
    if not secret:
        return "is empty"
    if len(secret.encode()) < MINIMUM_SECRET_BYTES:
        return f"is shorter than {MINIMUM_SECRET_BYTES} bytes"
    if _TUTORIAL_WORDS.search(secret) or secret in _TUTORIAL_SECRETS:
        return "looks like a sample from a manual"
    if _shannon_bits(secret) < MINIMUM_SECRET_BITS or runs_in_order(secret):
        return "repeats itself, or counts up, too much to be random"
    return None


def runs_in_order(text: str) -> bool:
    """Whether nearly all of a text goes up or down in steps of one, as `abcdefgh` and `7890123` do."""
    steps = sum(abs(ord(left) - ord(right)) == 1 or {left, right} == {"0", "9"} for left, right in pairwise(text))
    return steps * 5 > len(text) * 4


def base_url(text: str) -> str | None:
    """Return scheme, host and port as a browser writes them in an Origin header (RFC 6454, section 6.2).

    None for everything that is more, less or something else: a path, a query, a user, a space, a wildcard.
    """
    found = _BASE_URL.fullmatch(text.rstrip("/"))
    if found is None or not 0 < int(found[3] or 1) <= _HIGHEST_PORT:
        return None
    scheme, host, port = found[1].lower(), found[2].lower(), found[3]
    return f"{scheme}://{host}" if port in {None, _STANDARD_PORTS[scheme]} else f"{scheme}://{host}:{int(port)}"


def database_url_problem(text: str) -> str | None:
    """Say in a few words why a database URL cannot be used, or return None."""
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.partition("+")[0] not in {"sqlite", "postgresql", "postgres"}:
        return "does not begin with a scheme that is known"
    if scheme.startswith("sqlite"):
        file = rest.partition("?")[0].removeprefix("/")
        return None if file and file != ":memory:" and rest.startswith("/") else "names no file"
    unknown = {name.partition("=")[0] for name in rest.partition("?")[2].split("&") if name} - {"sslmode", "ssl"}
    return "has options that the driver does not take; only sslmode is" if unknown else None


def comma_separated(text: str) -> list[str]:
    """Return the entries of a list that is written `a, b, c`."""
    return [part.strip() for part in text.split(",") if part.strip()]


def least_argon2_memory_kib(iterations: int) -> int:
    """OWASP's password storage sheet: equal strength from 46 MiB with one pass to 7 MiB with five."""
    return {1: 47104, 2: 19456, 3: 12288, 4: 9216}.get(iterations, 7168)


def host_of(url: str) -> str:
    """Return the host of a base URL as it stands in a Host header: an IPv6 address keeps its brackets."""
    host = urlsplit(url).hostname or ""
    return f"[{host}]" if ":" in host else host


def _shannon_bits(text: str) -> float:
    counts = Counter(text).values()
    return -sum(n * math.log2(n / len(text)) for n in counts)
