"""Private servers for tests: each on a port or socket of its own, removed at the end of the session."""
