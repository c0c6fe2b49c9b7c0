"""Serves examples/google as its README says, on another port than the server that its pages call."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.journeys.server import REPOSITORY

EXAMPLE = REPOSITORY / "examples" / "google"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
        """Say nothing."""


@dataclass(frozen=True)
class ExampleSite:
    """The pages of the example, on a port of their own. They come when it is known whom they are to call."""

    port: int
    folder: Path

    def calls(self, server_url: str) -> None:
        """Put the pages there, as they are but for the port of the server: 8000 may be somebody else's here."""
        shutil.copytree(EXAMPLE, self.folder, dirs_exist_ok=True)
        for path in [path for path in self.folder.rglob("*") if path.suffix in {".html", ".js"}]:
            text = path.read_text(encoding="utf-8").replace(":8000", f":{server_url.rpartition(':')[2]}")
            path.write_text(text, encoding="utf-8")


@contextmanager
def example_site(folder: Path) -> Iterator[ExampleSite]:
    """Serve what will be in a folder, for the length of a block."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as served:
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield ExampleSite(port=served.server_port, folder=folder)
        finally:
            served.shutdown()
            thread.join(10)
