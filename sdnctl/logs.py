"""One line of JSON a record on standard error: quiet when all is well."""

from __future__ import annotations

import json
import logging
import time
from typing import Final

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    *("message", "asctime"),
    "color_message",  # uvicorn's, with a terminal's control codes
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


def set_up_logs(*, verbose: bool = False) -> None:
    """Send every logger's records to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO, handlers=[handler], force=True
    )
    # A server that starts and stops with its process says nothing that we do not.
    logging.getLogger("uvicorn.error").setLevel(logging.DEBUG if verbose else logging.WARNING)
