"""The Open vSwitch driver: desired state to flows, and flows to the switch."""
