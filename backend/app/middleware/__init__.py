"""Pure ASGI middleware: what holds for every request before a route is known."""
