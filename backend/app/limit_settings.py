"""The settings of limits: whether they count, and where. It reads nothing itself."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo

from app.plausibility import host_of
from app.provider_settings import LOOPBACK_HOSTS, is_production

_STORAGE = re.compile(r"auto|memory|database|(redis|rediss|valkey|valkeys)://\S+")


def _check_enabled(value: bool, info: ValidationInfo) -> bool:  # The value of the setting.
    if not value and is_production(info) and host_of(info.data.get("PUBLIC_URL", "")) not in LOOPBACK_HOSTS:
        raise ValueError("is false, and others can reach PUBLIC_URL. Passwords could be guessed without end")
    return value


def _check_storage(value: SecretStr) -> SecretStr:
    if not _STORAGE.fullmatch(value.get_secret_value()):
        raise ValueError("is none of auto, memory, database and redis://user:password@host:6379/0")
    return value


LimitsEnabled = Annotated[
    bool,
    AfterValidator(_check_enabled),
    Field(
        description="Whether tries are counted. `false` only for load tests on one's own machine: refused in production "
        "unless PUBLIC_URL is this machine's."
    ),
]
LimitsStorage = Annotated[
    SecretStr,
    AfterValidator(_check_storage),
    Field(
        description="Where tries are counted: `memory` of one process, the `database`, or a Redis or Valkey server "
        "(`redis://…`, `rediss://…`) for several. `auto`: memory with one worker, the database with more.",
    ),
]
