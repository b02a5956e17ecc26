"""The documentation is run: what a page prints works as printed."""
