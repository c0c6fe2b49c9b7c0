"""Every job of the server. One that does not stand here is run by nobody."""

from collections.abc import Sequence

from app.config import Settings
from app.jobs.mail import SEND_MAIL
from app.jobs.periodic import Job
from app.jobs.purges import (
    PURGE_ARRIVALS,
    PURGE_AUDIT,
    PURGE_LIMITS,
    PURGE_MAIL,
    PURGE_MAILED_PROOFS,
    PURGE_SECOND_FACTORS,
    PURGE_SESSIONS,
)
from app.jobs.seeds import RESEAL_SEEDS
from app.jobs.signing_keys import SIGNING_KEYS

JOBS = (
    SIGNING_KEYS,
    PURGE_SESSIONS,
    PURGE_ARRIVALS,
    PURGE_AUDIT,
    PURGE_LIMITS,
    SEND_MAIL,
    PURGE_MAIL,
    PURGE_MAILED_PROOFS,
    PURGE_SECOND_FACTORS,
    RESEAL_SEEDS,
)


def jobs_of_a_server(settings: Settings) -> Sequence[Job]:
    """Return what each server process runs itself: all of them, or with JOBS=apart those that belong to its start.

    Without a signing key nobody could sign in until `ostiary work` has run.
    """
    return JOBS if settings.JOBS == "inside" else [job for job in JOBS if job.at_start]
