"""Bring what is missing, and say so; with nothing missing this is quiet and needs no network.

What cannot be brought is told and stops nothing here: the tests that need it fail, with the same remedy, and all others
can run.
"""

import sys

from tests.peers import packages
from tests.peers.chromium import ChromiumNotFound, find_chromium, install_chromium


def say(text: object) -> None:
    sys.stderr.write(f"{text}\n")


def bring_packages() -> None:
    if packages.are_installed():
        return
    say("Installing the npm packages of the tests, pinned and hashed …")
    try:
        packages.install()
    except packages.PackagesMissing as error:
        say(error)


def bring_chromium() -> None:
    try:
        find_chromium()
    except ChromiumNotFound:
        try:
            install_chromium()
        except ChromiumNotFound as error:
            say(error)


if __name__ == "__main__":
    bring_packages()
    bring_chromium()
