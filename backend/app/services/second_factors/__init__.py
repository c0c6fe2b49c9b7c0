"""Second factors of accounts, and the gate that asks for one whichever way somebody signs in."""
