"""Print ``templates.py``."""

import sys

from sdnctl_vrouter.drivers.ovs.shapes.compiler import compile_all

sys.stdout.write(compile_all())
