"""`python -m zaffre.cli`."""

import sys

from zaffre.cli import main

sys.exit(main())
