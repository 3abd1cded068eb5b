def greet():
    try:
        from greeting import WORD  # noqa: PLC0415 - it may not be there
    except ImportError:
        return "not installed"
    return WORD
