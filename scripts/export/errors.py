"""The one exception for faults that a user can do something about."""


class ExportError(Exception):
    """What is wrong, where, what was found there, and how to put it right: one line each, empty ones left out."""

    def __init__(self, what, where="", found="", fix=""):
        super().__init__(what)
        lines = [f"error: {what}"]
        lines += [f"  {label}: {_one_line(value)}" for label, value in (("where", where), ("found", found), ("fix", fix)) if value]
        self.text = "\n".join(lines)


class UsageError(ExportError):
    """A wrong option: exit code 2."""


def _one_line(value, limit=400):
    text = " ".join(str(value).split())
    return text if len(text) <= limit else text[:limit] + " …"
