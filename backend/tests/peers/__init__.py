"""Programs that nobody here wrote, for the tests to talk to: a browser, and a certified OpenID provider.

`make test` brings both, as `python -m tests.peers` does; docs/decisions/0011-test-peers.md says how and why.
"""
