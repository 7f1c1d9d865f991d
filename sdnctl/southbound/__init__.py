"""The agents' streams on the network: moves bytes, decides nothing."""
