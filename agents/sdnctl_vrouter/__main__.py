"""``python -m sdnctl_vrouter`` is ``sdnctl-vrouter``."""

import sys

from sdnctl_vrouter.app import main

sys.exit(main())
