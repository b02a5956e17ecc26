"""Small services with one planted bottleneck each, or with none. The planted line carries the marker `# PLANTED`."""
