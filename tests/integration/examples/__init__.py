"""The shop, and the demonstration on it."""
