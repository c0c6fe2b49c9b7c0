"""Limits: how often something may be tried, by name, and where tries are counted. It knows no route and no account."""
