"""UUID version 7: identifiers that nobody can walk, and that an index still finds close together."""

import secrets
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime.fromtimestamp(0, UTC)
_MILLISECOND = timedelta(milliseconds=1)


def new_id() -> UUID:
    """Return a fresh UUIDv7 (RFC 9562, section 5.7): 48 bits of milliseconds, then 74 random bits."""
    return _version_7(time.time_ns() // 1_000_000, secrets.randbits(80))


def first_id_at(moment: datetime) -> UUID:
    """Return the least UUIDv7 of a millisecond: what was made from then on has a greater one. 1970 at the earliest."""
    return _version_7(max(0, (moment - _EPOCH) // _MILLISECOND), 0)


def time_of(identifier: UUID) -> datetime:
    """Return when a UUIDv7 was made, to the millisecond."""
    return _EPOCH + (identifier.int >> 80) * _MILLISECOND


def _version_7(milliseconds: int, random_bits: int) -> UUID:
    value = milliseconds << 80 | random_bits
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)
