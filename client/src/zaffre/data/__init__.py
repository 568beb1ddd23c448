"""How runs are given data."""
