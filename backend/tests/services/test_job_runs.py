"""What `ostiary doctor` makes of how jobs are doing."""

from datetime import UTC, datetime, timedelta

from app.models import JobRun
from app.services.job_runs import job_findings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EVERY = {"purge": timedelta(hours=1)}


def run(*, ago: timedelta | None, failures: int = 0) -> JobRun:
    return JobRun(
        name="purge",
        runs=7,
        failures=failures,
        succeeded_at=NOW - ago if ago else None,
        failed_at=NOW if failures else None,
        cause="OSError" if failures else None,
        milliseconds=12,
    )


def found(*runs: JobRun, apart: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    return [(finding.level, finding.text) for finding in job_findings(runs, EVERY, NOW, apart=apart)]


def test_a_job_that_ran_when_it_should_have_is_fine() -> None:
    ((level, text),) = found(run(ago=timedelta(hours=1)))
    assert level == "ok"
    assert "7 rounds, the last at 2025-12-31 23:00:00Z in 12 ms" in text


def test_a_job_that_has_not_run_for_long_is_a_fault() -> None:
    """V16.5.2: nobody started `ostiary work`, or it died."""
    assert found(run(ago=timedelta(hours=3)))[0][0] == "ok"
    level, text = found(run(ago=timedelta(hours=4)))[0]
    assert (level, "ostiary work" in text) == ("fault", True)


def test_a_job_that_only_fails_is_a_fault_with_its_cause() -> None:
    ((level, text),) = found(run(ago=None, failures=3))
    assert level == "fault"
    assert "3 failures, the last at 2026-01-01 00:00:00Z by OSError" in text


def test_a_job_that_never_ran_where_others_did_is_told_of() -> None:
    """A server that has just started runs what is no part of a start a little later."""
    other = run(ago=timedelta(minutes=1))
    other.name = "other"
    level, text = found(other)[0]
    assert (level, "has not run yet" in text) == ("advice", True)


def test_a_job_that_no_server_runs_and_that_never_ran_is_a_fault() -> None:
    """V16.5.2: nobody started `ostiary work`, so no mail leaves."""
    other = run(ago=timedelta(minutes=1))
    other.name = "signing-keys"
    level, text = found(other, apart=("purge",))[0]
    assert (level, "`ostiary work` runs it" in text) == ("fault", True)


def test_a_fresh_installation_gets_advice() -> None:
    assert found()[0][0] == "advice"
