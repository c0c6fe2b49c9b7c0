"""The browser of the tests: where it is, and how it comes onto a machine that has none."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "OSTIARY_TEST_CHROMIUM"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
USUAL_PLACES = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
DOWNLOADS = (".cache/ms-playwright/chromium-*/chrome-*/chrome", "Library/Caches/ms-playwright/chromium-*/*/*/*/MacOS/*")
"""Below the home directory: where `playwright install` puts its own browsers."""
NOT_FOUND = (
    f"No Chromium was found: ${VARIABLE} is not set, none of {', '.join(PROGRAMS)} is on PATH, and there is none in the "
    "usual places. Do one of these: run `make test` as root on Debian, which installs it; install Chromium or Chrome "
    "with your system's package manager; run `.venv/bin/playwright install chromium`, which needs no rights; or set "
    f"{VARIABLE} to the program."
)


class ChromiumNotFound(RuntimeError):
    """There is no Chromium on this machine. The text says what to do."""


def find_chromium() -> Path:
    """Return the program, or raise `ChromiumNotFound`."""
    forced = os.environ.get(VARIABLE)
    if forced:
        # A wrong value is an error: falling back would silently test another browser than wanted.
        if not is_program(Path(forced)):
            raise ChromiumNotFound(f"{VARIABLE} is {forced!r}, which is no program.")
        return Path(forced)
    for candidate in candidates():
        if is_program(candidate):
            return candidate
    raise ChromiumNotFound(NOT_FOUND)


def candidates() -> Iterator[Path]:
    """Yield the places to look at, best first."""
    yield from (Path(found) for found in map(shutil.which, PROGRAMS) if found)
    yield from map(Path, USUAL_PLACES)
    for pattern in DOWNLOADS:
        yield from sorted(Path.home().glob(pattern), reverse=True)


def is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def install_chromium() -> None:
    """Install Debian's package, where that can be done without asking anybody. Raises `ChromiumNotFound` elsewhere."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ChromiumNotFound(NOT_FOUND)
    sys.stderr.write("Installing Debian's Chromium, since this machine has no browser for the tests …\n")
    quietly = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
        command = ["apt-get", "--quiet=2", *arguments]
        # It asks nothing, and shows nothing but what went wrong.
        done = subprocess.run(command, env=quietly, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            raise ChromiumNotFound(f"`{' '.join(command)}` failed. {NOT_FOUND}")
    find_chromium()  # Elsewhere than on Debian a package of that name may bring none.
