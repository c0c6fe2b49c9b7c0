"""Passwords: what is accepted, how it is stored, and how the work is kept off the event loop."""
