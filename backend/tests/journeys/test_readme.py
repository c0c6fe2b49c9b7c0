"""The README's words, run as they stand."""

import re
import shutil
import subprocess
from pathlib import Path

import httpx2

from tests.journeys.server import NO_TLS, REPOSITORY, environment, running

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def block(name: str) -> str:
    """The code between `<!-- name: begin -->` and `<!-- name: end -->`."""
    found = re.search(rf"<!-- {name}: begin -->\n```\w+\n(.*?)```\n<!-- {name}: end -->", README, re.DOTALL)
    assert found is not None
    return found.group(1)


def test_the_sign_in_by_curl_runs_as_written(tmp_path: Path, empty_database_url: str) -> None:
    """S01, S02, S07, S08: it installs, imports and runs as written, from sign-up to sign-out."""
    assert shutil.which("curl"), "this test needs curl"
    with running(tmp_path, DATABASE_URL=empty_database_url) as server:
        script = block("journey").replace("http://127.0.0.1:8000", server.url)
        result = subprocess.run(
            ["/bin/sh", "-eu", "-c", script],
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert result.returncode == 0, result.stderr
    assert result.stdout.count('"email":"ada@example.com"') == 3
    assert result.stdout.rstrip().endswith('"cause": "logout"}')


def test_the_router_of_ten_lines_runs_as_written(tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text(block("example"), encoding="utf-8")
    with running(tmp_path, EXTENSIONS="hello") as server:
        assert httpx2.get(f"{server.url}/api/v1/hello/world", verify=NO_TLS).json() == "Hello world"
        assert httpx2.get(f"{server.url}/api/v1/hello/me", verify=NO_TLS).status_code == 401
