"""The agent on a hypervisor: makes the local switch do what the controller tells."""
