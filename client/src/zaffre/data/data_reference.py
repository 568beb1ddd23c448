"""DataReference, where scripts import it from."""

from zaffre.absent import absent_class
from zaffre.core.datastore import INSTEAD

__all__ = ["DataReference"]

DataReference = absent_class("DataReference", "There are no datastores here to refer to.", INSTEAD)
