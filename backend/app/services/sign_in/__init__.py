"""Sign-in in stages: identify, first factor, gates, complete. Only `stages.complete` begins a session."""
