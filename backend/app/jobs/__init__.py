"""What the server does by itself, beside answering: door 4."""
