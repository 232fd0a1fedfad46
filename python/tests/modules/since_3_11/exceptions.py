"""Tables of exceptions, groups of them, and patterns."""


def groups(values):
    try:
        raise ExceptionGroup("some", values)
    except* TypeError as group:
        return_value = group
    except* ValueError:
        return_value = None
    finally:
        values.clear()
    return return_value


def patterns(value):
    match value:
        case {"key": [first, *rest], **others} if first:
            return rest, others
        case str() | bytes():
            return value
        case _:
            return None
