"""Builds settings of a public installation, so that a test says only what it changes."""

from app.config import ConfigurationError, Settings

SECRET = "Zk7wQ2pXv9Rt4Ny6Lc1Mb8Hs3Gd5Jf0Ea-UoIiVxTrWq"


def load(**changes: object) -> Settings:
    """Settings of a public installation, with changes. None leaves a value out."""
    values: dict[str, object] = {
        "ENVIRONMENT": "production",
        "PUBLIC_URL": "https://accounts.example.com",
        "SECRET_KEY": SECRET,
        "EMAIL_VERIFICATION": "optional",
    }
    return Settings.load(**{name: value for name, value in {**values, **changes}.items() if value is not None})


def is_accepted(**changes: object) -> bool:
    try:
        load(**changes)
    except ConfigurationError:
        return False
    return True
