"""The wording of numbers in the sentences of a run."""


def counted(count: int, one: str, many: str = "") -> str:
    """Return `1 message` or `2 messages`; `many` is the plural where it is not `one` with an s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
