"""Product figures, measured against peers in the same run: `python -m benchmarks AREA [--json] [--full]`."""
