"""In a folder that is no package."""

HERE = __name__
