"""perfloop beside real databases."""
