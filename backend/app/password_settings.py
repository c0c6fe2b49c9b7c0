"""The settings of passwords and of the work that hashing one takes. It reads nothing itself."""

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo

from app.plausibility import least_argon2_memory_kib


def _check_argon2(value: int, info: ValidationInfo) -> int:
    memory = info.data.get("ARGON2_MEMORY_KIB")
    if memory is not None and memory < least_argon2_memory_kib(value):
        raise ValueError(
            f"with ARGON2_MEMORY_KIB={memory} is weaker than OWASP's least. Use 19456 KiB with 2, or 47104 KiB with 1"
        )
    return value


PasswordMinLength = Annotated[
    int, Field(ge=8, le=64, description="In code points. 15 is advised when nothing else guards.")
]
Argon2Memory = Annotated[int, Field(ge=7168, le=4194304, description="Memory of one password hash.")]
Argon2Iterations = Annotated[
    int, Field(ge=1, le=20, description="Passes of one password hash."), AfterValidator(_check_argon2)
]
HashingThreads = Annotated[int, Field(ge=1, le=64, description="Threads that hash passwords, in each worker.")]
HashingWait = Annotated[
    float,
    Field(
        ge=0.1,
        le=60,
        description="How long a sign-in may wait for a hashing thread, as guessed when it comes; one that would wait longer is "
        "answered 503 at once.",
    ),
]
HashingQueue = Annotated[
    int,
    Field(ge=0, le=10000, description="Sign-ins that may wait for a hashing thread; one more is answered 503."),
]
