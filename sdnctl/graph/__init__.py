"""From intent and learned routes to what every hypervisor and peer must be told. Pure."""
