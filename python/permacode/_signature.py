"""Signatures of functions of an archive."""

import inspect


class SourceText(str):
    """The source text of a default or an annotation. Its `repr` has no quotes, so a signature shows it unchanged."""

    __slots__ = ()

    def __repr__(self):
        return str(self)


def signature(parameters, returns):
    """An `inspect.Signature`. `parameters` has name, kind, default and annotation of each; `None` means no text."""
    empty = inspect.Signature.empty

    def source(text):
        return empty if text is None else SourceText(text)

    made = [
        # `inspect` gives the parameter of a generator expression, `.0`, this name.
        inspect.Parameter(name.replace(".", "implicit"), getattr(inspect.Parameter, kind), default=source(default),
                          annotation=source(annotation))
        for name, kind, default, annotation in parameters
    ]
    return inspect.Signature(made, return_annotation=source(returns))
