"""How the pages' files are collected: those of the bundle keep their names, which hold a hash already."""

from typing import Any

from whitenoise.storage import CompressedManifestStaticFilesStorage

#: Where Vite puts what it has built.
BUNDLE = "dist/assets/"


class BundleStorage(CompressedManifestStaticFilesStorage):
    """Scripts of the bundle import each other by the names that Vite gave them.

    Under a second name a browser would fetch ahead what no script asks for, and wait for the other one.
    """

    def hashed_name(self, name: str, content: Any = None, filename: str | None = None) -> str:
        if name.startswith(BUNDLE):
            return name
        found: str = super().hashed_name(name, content, filename)
        return found
