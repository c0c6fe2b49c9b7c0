from datetime import timedelta

import pytest

from app.auth.jwt import MAXIMUM_LENGTH, AccessClaims
from app.auth.verified import CAPACITY, VerifiedTokens
from tests.auth.forge import CLAIMS, NOW, RING, SECONDS, read, signed

KID = RING.current.kid


def token_with(**claims: object) -> tuple[str, AccessClaims]:
    token = signed(payload={**CLAIMS, **claims})
    return token, read(token)


def remembering(*tokens: tuple[str, AccessClaims], capacity: int = CAPACITY) -> VerifiedTokens:
    memory = VerifiedTokens(capacity)
    for token, claims in tokens:
        memory.add(token, kid=KID, claims=claims)
    return memory


def test_a_token_that_was_checked_is_known_again() -> None:
    token, claims = token_with()
    assert remembering((token, claims)).find(token, accepted=RING.accepted, now=NOW) is claims


def test_every_other_text_is_unknown() -> None:
    """JW-08: one letter more, less or other makes it another token."""
    token, claims = token_with()
    memory = remembering((token, claims))
    others = [
        token[:-1],
        token + "=",
        token + " ",
        " " + token,
        token.swapcase(),
        "",
        "é" + token,
        "\ud800",
        token * 30,
    ]
    assert [memory.find(other, accepted=RING.accepted, now=NOW) for other in others] == [None] * len(others)


def test_a_token_is_forgotten_at_the_very_second_it_ends() -> None:
    """JW-11: memory prolongs nothing."""
    token, claims = token_with(exp=SECONDS + 10)
    memory = remembering((token, claims))
    assert memory.find(token, accepted=RING.accepted, now=NOW + timedelta(seconds=9, milliseconds=999))
    assert memory.find(token, accepted=RING.accepted, now=NOW + timedelta(seconds=10)) is None
    assert len(memory) == 0


def test_a_token_of_a_retired_key_is_forgotten() -> None:
    """JW-18: what was checked counts only while its key does."""
    token, claims = token_with()
    memory = remembering((token, claims))
    assert memory.find(token, accepted={}, now=NOW) is None
    assert memory.find(token, accepted=RING.accepted, now=NOW) is None


def test_the_memory_is_bounded_and_lets_the_oldest_go() -> None:
    """V15.1.3: nobody fills the server by signing in often."""
    tokens = [token_with(jti=f"token-{number}") for number in range(5)]
    memory = remembering(*tokens, capacity=3)
    assert len(memory) == 3
    known = [memory.find(token, accepted=RING.accepted, now=NOW) is not None for token, _ in tokens]
    assert known == [False, False, True, True, True]
    assert CAPACITY == 10_000


def test_no_token_is_kept_as_it_is() -> None:
    """S74: a dump of the memory gives nobody a session."""
    token, claims = token_with()
    assert token not in repr(vars(remembering((token, claims))))


@pytest.mark.parametrize("text", ["a" * (MAXIMUM_LENGTH + 1), "é", "\ud800"], ids=["long", "foreign", "surrogate"])
def test_what_can_be_no_token_is_not_remembered(text: str) -> None:
    """JW-07: megabytes are not even hashed."""
    assert len(remembering((text, read(signed())))) == 0
