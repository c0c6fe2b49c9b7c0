"""The journeys that go through a mailbox: what a mail proves, and what follows."""
