"""Tests of perfloop.database."""
