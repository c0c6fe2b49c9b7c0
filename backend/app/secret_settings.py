"""The settings that hold the server's own secrets: present and former. It reads nothing itself."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from app.plausibility import comma_separated, secret_problem


def _check_secret(value: SecretStr) -> SecretStr:
    problem = secret_problem(value.get_secret_value())
    if problem:
        raise ValueError(f"{problem}. Make one with: openssl rand -base64 48")
    return value


def _check_former_secrets(value: SecretStr) -> SecretStr:
    for number, secret in enumerate(comma_separated(value.get_secret_value()), start=1):
        problem = secret_problem(secret)
        if problem:
            raise ValueError(f"entry {number} {problem}. List former values of SECRET_KEY, separated by commas")
    return value


ServerSecret = Annotated[
    SecretStr,
    Field(
        description="The server secret: every key is derived from it. At least 32 random bytes: `openssl rand -base64 48`."
    ),
    AfterValidator(_check_secret),
]
FormerSecrets = Annotated[
    SecretStr,
    Field(
        description="Former server secrets, separated by commas: what was made under them still counts. "
        "Keep one for SESSION_MAX_DAYS, and until `ostiary doctor` says that no authenticator app needs it; whose cookie or "
        "token was made under one that is gone signs in again. Never put one here that has leaked."
    ),
    AfterValidator(_check_former_secrets),
]
