"""Mechanism: values in, values out. No database, no settings, no web framework (but for `dependencies`)."""
