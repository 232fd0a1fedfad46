"""Names that are not ASCII."""

größe = 1


def länge(übrig):
    ñ = übrig + größe
    return lambda: ñ
