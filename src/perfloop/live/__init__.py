"""The live page of a service: served by `perfloop monitor`."""
