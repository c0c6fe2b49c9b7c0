"""Passkeys of accounts: how they come to be, and how they prove somebody (WebAuthn Level 3)."""
