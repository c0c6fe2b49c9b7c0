"""Measures the server as it runs in production, beside the floor of the same machine."""
