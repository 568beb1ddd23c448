"""There is no automated machine learning; importing this says what to do instead."""

import zaffre.automl  # noqa: F401 - which raises
