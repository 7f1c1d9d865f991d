"""Data planes, each behind ``base.Driver``."""
