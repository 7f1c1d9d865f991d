"""What Nova is told of its servers' ports: ``os-server-external-events``, as Neutron tells it.

Promise: Nova hears of everything that it may be waiting for. A VIF that came up is told until Nova
has taken it, or nobody can be waiting any more; a controller that was restarted tells again what
came up lately. Telling once too often is harmless, once too little is a server that does not
start. Nova away, slow or wrong holds up nothing else, and is shown.

``events`` says what is told, ``compute`` carries it, ``notifier`` keeps what is still to be
carried. Knows the rows of ports and what agents say of VIFs; decides nothing about them.
"""

from sdnctl.nova.compute import Compute, Options, read_options
from sdnctl.nova.events import Event, Events
from sdnctl.nova.notifier import Notifier

__all__ = ["Compute", "Event", "Events", "Notifier", "Options", "read_options"]
