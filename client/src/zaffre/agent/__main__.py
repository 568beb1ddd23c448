"""`python -m zaffre.agent start|status`: the node agent without the `zaffre` command."""

from __future__ import annotations

import sys

from zaffre.agent.command import main

if __name__ == "__main__":
    sys.exit(main())
