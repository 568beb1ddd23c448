"""There is no automated machine learning; importing this says what to do instead."""

from zaffre.absent import absent

raise absent(__name__, "Submit a script that searches with a library, such as scikit-learn's HalvingRandomSearchCV.")
