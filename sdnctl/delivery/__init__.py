"""What each agent has been told, what it has confirmed, and what it must be told next. Sans-IO."""
