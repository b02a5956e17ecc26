"""Parts as they are often written, one trap each: what the tests beside them are to catch."""
