"""How often something has been tried lately, where the database counts it."""

from sqlalchemy import BigInteger, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base


class LimitBucket(Base):
    """One bucket. It tells nobody's address: the key is a digest under the server secret.

    There is no index but the primary key, so that PostgreSQL can change a row in place (HOT): a bucket changes at
    every try. Times are milliseconds since 1970, as whole numbers, so that every storage counts alike.
    """

    __tablename__ = "limit_buckets"

    key: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    full_at: Mapped[int] = mapped_column(BigInteger)
    """When all tries are free again; the row says nothing any more from then on."""
    interval_ms: Mapped[int] = mapped_column(BigInteger)
    """Milliseconds until one more try is free, as of the last one."""
    burst: Mapped[int]
    """How many tries there are at once, as of the last one."""
