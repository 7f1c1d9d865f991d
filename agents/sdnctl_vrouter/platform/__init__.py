"""The only access to the system: sockets of the switch and of its database."""
