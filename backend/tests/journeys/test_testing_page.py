"""The page for whoever tests a product, run as it stands: in a folder of its own, which knows nothing of our tests."""

import re
import subprocess
import sys
from pathlib import Path

from app.offline.testing import Fault, Place
from tests.journeys.server import REPOSITORY, environment
from tests.journeys.test_readme import block

PAGE = (REPOSITORY / "docs" / "concepts" / "testing.md").read_text(encoding="utf-8")
PYTEST = str(Path(sys.executable).with_name("pytest"))


def files() -> dict[str, str]:
    """The files that the page tells people to write, by name."""
    found = re.findall(r"<!-- (\S+): begin -->\n```\w+\n(.*?)```\n<!-- \1: end -->", PAGE, re.DOTALL)
    return dict(found)


def write_product(folder: Path) -> None:
    """Write a product with a package `tests` of its own, as ours has one."""
    (folder / "tests").mkdir(parents=True)
    (folder / "tests" / "__init__.py").touch()
    (folder / "hello.py").write_text(block("example"), encoding="utf-8")
    for name, text in files().items():
        (folder / name).write_text(text, encoding="utf-8")


def test_the_tests_of_the_page_pass_as_written(tmp_path: Path) -> None:
    """S06: whoever copies them has a sign-in, a route behind it, a fault and One Tap under test; nothing warns."""
    write_product(tmp_path / "product")
    result = subprocess.run(
        [PYTEST, "-W", "error", "-q"],
        cwd=tmp_path / "product",
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert set(files()) == {"pytest.ini", "tests/conftest.py", "tests/test_sign_in.py"}
    assert f"{files()['tests/test_sign_in.py'].count('async def test_')} passed" in result.stdout


def test_the_page_names_every_fault() -> None:
    names = {*re.findall(r"`(?:Fault\.|Place\.)?([A-Z][A-Z0-9_]+)`", PAGE)}
    assert {*Fault.__members__, *Place.__members__} - names == set()
