"""Services that the documentation and the demo use."""
