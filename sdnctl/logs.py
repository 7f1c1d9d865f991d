"""The logs of every process: one line of JSON a record on standard error, quiet when all is well.

Standard library only, so that controller, speaker and agent write alike.
"""

from __future__ import annotations

import json
import logging
import time
from typing import Final

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "color_message",  # uvicorn's, with escape codes
}


class JsonFormatter(logging.Formatter):
    """Time (UTC), level, logger, message, and whatever ``extra`` the record carries."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        row = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **{key: value for key, value in vars(record).items() if key not in _STANDARD},
        }
        if record.exc_info:
            row["exception"] = self.formatException(record.exc_info)
        return json.dumps(row, default=str)


def set_up_logs(level: int | str = logging.INFO) -> None:
    """Send every logger's records of that level and above to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # It tells of its own start and end; that is not news to whom we tell of ours.
    logging.getLogger("uvicorn").setLevel(max(logging.WARNING, logging.getLogger().level))
