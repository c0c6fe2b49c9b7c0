"""Jobs in a process of their own, as an operator starts it."""

import os
import signal
import subprocess
import time
from pathlib import Path

import httpx2
import pytest

from tests.accounts import API, PASSWORD
from tests.journeys.server import OSTIARY, PATIENCE_SECONDS, environment, ostiary, running

pytestmark = pytest.mark.only("sqlite")


def test_a_server_that_runs_no_job_lives_on_those_of_another_process(tmp_path: Path) -> None:
    """V16.5.2: without `ostiary work` there is not even a key; `ostiary doctor` says what is missing."""
    settings = {"JOBS": "apart", "ENVIRONMENT": "development"}
    with running(tmp_path, **settings) as server:
        body = {"email": "ada@example.com", "password": PASSWORD}
        assert httpx2.post(f"{server.url}{API}/auth/register", json=body).status_code == 201
        form = {"username": body["email"], "password": PASSWORD}
        assert httpx2.post(f"{server.url}{API}/auth/login", data=form).status_code == 503
        assert "none has ever run" in ostiary(tmp_path, "doctor", **settings).stdout
        worker = subprocess.Popen(
            [OSTIARY, "work"], cwd=tmp_path, env=environment(tmp_path, **settings), stderr=subprocess.PIPE, text=True
        )
        try:
            assert worker.stderr is not None
            while "works: " not in (line := worker.stderr.readline()):
                assert line, "it ended"
            assert "purge-audit" in line
            until = time.monotonic() + PATIENCE_SECONDS
            while httpx2.post(f"{server.url}{API}/auth/login", data=form).status_code != 200:
                assert time.monotonic() < until, "the server never learnt of the key"
                time.sleep(0.2)
            assert "ok     job signing-keys: 1 rounds" in ostiary(tmp_path, "doctor", **settings).stdout
        finally:
            os.kill(worker.pid, signal.SIGTERM)
            _, rest = worker.communicate(timeout=PATIENCE_SECONDS)
        assert (worker.returncode, "Traceback" in rest) == (0, False)


def test_no_job_runs_on_a_database_that_is_not_current(tmp_path: Path) -> None:
    assert ostiary(tmp_path, "init").returncode == 0
    refused = ostiary(tmp_path, "work")
    assert refused.returncode == 1
    assert "ostiary migrate" in refused.stderr
