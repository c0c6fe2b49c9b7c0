"""Passkeys (WebAuthn Level 3): what a browser is asked, and whether its answer is right. It stores and looks up nothing."""
