"""``python -m sdnctl.app`` is ``sdnctl-controller``."""

import sys

from sdnctl.app.main import main

sys.exit(main())
