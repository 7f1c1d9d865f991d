"""The one error that a lab raises for a person to read."""

from __future__ import annotations


class LabError(Exception):
    """What could not be done, with which node, and why."""
