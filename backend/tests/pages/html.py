"""Reads pages as a browser does: what is shown, what is loaded, what a form would send."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

LOADING = {
    "script": "src",
    "link": "href",
    "img": "src",
    "iframe": "src",
    "object": "data",
    "form": "action",
    "a": "href",
}


@dataclass
class Page(HTMLParser):
    """A parsed page."""

    markup: str
    tags: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    """Everything that is loaded, followed or sent to."""
    inline: list[str] = field(default_factory=list)
    """Scripts and styles that stand in the page itself, and handlers in attributes."""
    text: str = ""
    _open: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open = tag
        self.tags.append(tag)
        values = dict(attrs)
        if LOADING.get(tag) in values:
            self.addresses.append(values[LOADING[tag]] or "")
        self.inline += [name for name in values if name.startswith("on") or name == "style"]

    def handle_data(self, data: str) -> None:
        if self._open in {"script", "style"} and data.strip():
            self.inline.append(data)
        self.text += data

    def handle_endtag(self, tag: str) -> None:
        self._open = ""
