"""Logs: text for a terminal, JSON lines for everything else. Only what is meant for people is in them."""

import json
import logging
import sys
from datetime import UTC, datetime

FIELDS = ("object", "device", "step", "reason", "duration")
LEVELS = {logging.DEBUG: "debug", logging.INFO: "info", logging.WARNING: "warning", logging.ERROR: "error"}


class JSONLines(logging.Formatter):
    """One object a line, with stable keys."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, str | float] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": LEVELS.get(record.levelno, record.levelname.lower()),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry |= {
            name: value if isinstance(value, float) else str(value)  # a duration is a number of seconds
            for name in FIELDS
            if (value := getattr(record, name, None)) is not None
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


class Text(logging.Formatter):
    """Time, level, object, message."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        subject = getattr(record, "object", "")
        reason = getattr(record, "reason", "")
        parts = [at, LEVELS.get(record.levelno, record.levelname)[:4].upper(), str(subject), str(reason)]
        line = " ".join(part for part in parts if part) + f"  {record.getMessage()}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def set_up(form: str, level: str) -> None:
    """form: `text`, `json` or `auto` (text on a terminal)."""
    handler = logging.StreamHandler(sys.stderr)
    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    handler.setFormatter(Text() if as_text else JSONLines())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)  # it runs in a thread on purpose
    for name in ("kopf", "kopf.objects", "aiohttp.access", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
