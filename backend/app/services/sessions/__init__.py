"""Sessions: how one begins, is refreshed and noted, and ends. Every credential hangs on a session row."""
