"""Settings that stand in files, as container platforms hand secrets over: `NAME_FILE` names the file of NAME."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource


class SecretFileSource(EnvSettingsSource):
    """Reads `NAME_FILE`, a path whose content is the value of NAME, as container platforms hand secrets over."""

    def __call__(self) -> dict[str, Any]:
        """Return the values of the settings that stand in files."""
        environment = _environment()
        if not any(environment.get(f"{name}_FILE") for name in self.settings_cls.model_fields):
            return {}  # As nearly always: looking at every field is a third of what reading the settings costs.
        return super().__call__()

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the content of the file that `NAME_FILE` names, without its last line break."""
        path = _environment().get(f"{field_name}_FILE")
        content = _content(path) if path else None
        return content.rstrip("\r\n") if content is not None else None, field_name, False


def _environment() -> dict[str, str | None]:
    """Return what `.env` and the environment say together; the environment wins."""
    return {**dotenv_values(".env"), **os.environ}


def _content(path: str) -> str | None:
    """Return what stands in a file, or None when it cannot be read as text."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None


def unreadable_files(names: Iterable[str]) -> dict[str, str]:
    """Return a finding for each setting whose `NAME_FILE` names a file that cannot be read."""
    environment = _environment()
    paths = {name: environment.get(f"{name}_FILE") for name in names}
    return {
        name: f"{name}_FILE: cannot be read as text. Name a file that this user may read"
        for name, path in paths.items()
        if path and name not in os.environ and _content(path) is None
    }
