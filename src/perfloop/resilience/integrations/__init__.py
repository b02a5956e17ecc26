"""Parts of policies inside the libraries and servers that people have."""
