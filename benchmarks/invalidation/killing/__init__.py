"""Real processes with one cache over a real Redis and a real PostgreSQL, under kill -9: is anything stale too long?"""
