"""Writes sizes and durations the way people read them."""

_SIZE_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_KIBI = 1024
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def human_size(size: int) -> str:
    """Bytes for people: 532 B, 1.4 MiB."""
    value = float(size)
    for unit in _SIZE_UNITS:
        if value < _KIBI or unit == _SIZE_UNITS[-1]:
            break
        value /= _KIBI
    return f"{size} B" if unit == "B" else f"{value:.1f} {unit}"


def human_age(seconds: float) -> str:
    """How long ago, roughly: 40s, 12m, 5h, 3d."""
    whole = max(0, int(seconds))
    for unit, length in (("d", _DAY), ("h", _HOUR), ("m", _MINUTE)):
        if whole >= length:
            return f"{whole // length}{unit}"
    return f"{whole}s"


def human_duration(seconds: float) -> str:
    """How long something took: 0.4s, 12s, 3m 05s, 2h 07m."""
    if seconds < 10:
        return f"{max(0.0, seconds):.1f}s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m {whole % _MINUTE:02d}s"
    return f"{whole // _HOUR}h {whole % _HOUR // _MINUTE:02d}m"
