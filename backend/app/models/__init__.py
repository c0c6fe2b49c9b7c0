"""The tables, one in each file. Importing this package makes all of them known to `Base.metadata`."""

from app.models.role import Role, RolePermission
from app.models.session import EndCause, Session
from app.models.session_event import SessionEvent, SessionEventKind
from app.models.signing_key import StoredKey
from app.models.user import User

__all__ = ["EndCause", "Role", "RolePermission", "Session", "SessionEvent", "SessionEventKind", "StoredKey", "User"]
