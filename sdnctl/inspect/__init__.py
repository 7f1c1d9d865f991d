"""The looking glass: what the controller knows, read only, for operators and programs."""
