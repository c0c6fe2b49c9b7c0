"""Jobs in a process of their own, as an operator starts it."""

import os
import signal
import subprocess
from pathlib import Path

import httpx2
import pytest

from tests.accounts import API, PASSWORD
from tests.journeys.server import OSTIARY, PATIENCE_SECONDS, environment, ostiary, running

pytestmark = pytest.mark.only("sqlite")


def test_a_server_whose_jobs_run_apart_signs_people_in_and_the_doctor_misses_the_rest(tmp_path: Path) -> None:
    """V16.5.2: it makes its own key, whether or not `ostiary work` has run; mail waits for that, and doctor says so."""
    settings = {"JOBS": "apart", "ENVIRONMENT": "development"}
    with running(tmp_path, **settings) as server:
        body = {"email": "ada@example.com", "password": PASSWORD}
        assert httpx2.post(f"{server.url}{API}/auth/register", json=body).status_code == 201
        form = {"username": body["email"], "password": PASSWORD}
        assert httpx2.post(f"{server.url}{API}/auth/login", data=form).status_code == 200
        alone = ostiary(tmp_path, "doctor", **settings)
        assert "ok     job signing-keys" in alone.stdout
        assert "FAULT  job mail: has never run. With JOBS=apart `ostiary work` runs it" in alone.stdout
        assert alone.returncode == 1
        worker = subprocess.Popen(
            [OSTIARY, "work"], cwd=tmp_path, env=environment(tmp_path, **settings), stderr=subprocess.PIPE, text=True
        )
        try:
            assert worker.stderr is not None
            while "works: " not in (line := worker.stderr.readline()):
                assert line, "it ended"
            assert "purge-audit" in line
            assert "ok     job signing-keys: 2 rounds" in ostiary(tmp_path, "doctor", **settings).stdout
        finally:
            os.kill(worker.pid, signal.SIGTERM)
            _, rest = worker.communicate(timeout=PATIENCE_SECONDS)
        assert (worker.returncode, "Traceback" in rest) == (0, False)


def test_no_job_runs_on_a_database_that_is_not_current(tmp_path: Path) -> None:
    assert ostiary(tmp_path, "init").returncode == 0
    refused = ostiary(tmp_path, "work")
    assert refused.returncode == 1
    assert "ostiary migrate" in refused.stderr
