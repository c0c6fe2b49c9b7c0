"""Ostiary: the authentication and user backend for Python."""

__version__ = "0.1.0"
