import time
from uuid import RFC_4122

from app.auth.identifiers import new_id


def test_an_identifier_is_a_uuid_of_version_7() -> None:
    """RFC 9562, section 5.7: version and variant stand where every reader looks for them."""
    for _ in range(1000):
        made = new_id()
        assert made.version == 7
        assert made.variant == RFC_4122


def test_an_identifier_begins_with_the_time_it_was_made_at() -> None:
    """So that an index finds neighbours in time close together."""
    before = time.time_ns() // 1_000_000
    milliseconds = new_id().int >> 80
    assert before <= milliseconds <= time.time_ns() // 1_000_000


def test_nobody_can_walk_from_one_identifier_to_the_next() -> None:
    """S16, S19, 3.8-07: 74 random bits, whatever the time; none is ever given twice."""
    made = [new_id() for _ in range(10_000)]
    assert len(set(made)) == len(made)
    random_parts = {(one.int >> 64 & 0xFFF) << 62 | one.int & (1 << 62) - 1 for one in made}
    assert len(random_parts) == len(made)


def test_every_random_bit_takes_both_values() -> None:
    """S16: a bit that stood still would be one that a guesser need not guess."""
    seen_set, seen_clear = 0, 0
    for _ in range(2000):
        value = new_id().int
        seen_set |= value
        seen_clear |= ~value
    random_bits = 0xFFF << 64 | (1 << 62) - 1
    assert seen_set & random_bits == random_bits
    assert seen_clear & random_bits == random_bits
