"""The cache in the places where frameworks want one, one file each."""
