"""Browsers' sessions: Django's, in the database, looked up by a statement that is written already."""

from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session

from studio.kernel.rows import read


class SessionStore(db.SessionStore):
    def _get_session_from_db(self) -> Session | None:
        # A cookie may hold anything, and PostgreSQL no NUL.
        key = str(self.session_key).replace("\0", "")
        found = read(Session, "session_key = %(key)s AND expire_date > now()", {"key": key})
        if not found:
            self._session_key = None
        return found[0] if found else None
