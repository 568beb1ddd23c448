"""Bytes for people."""


def size_text(count: float | None) -> str:
    """1.2 MB"""
    number = float(count or 0)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if number < 1000 or unit == "TB":
            return f"{number:.0f} {unit}" if unit == "B" or number >= 100 else f"{number:.1f} {unit}"
        number /= 1000
    return ""
