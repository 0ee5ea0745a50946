"""Asking a device: one driver operation, counted and timed."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from device_cert_operator.core.situation import Situation
from device_cert_operator.drivers.base import Driver
from device_cert_operator.errors import OperatorError
from device_cert_operator.reconcile.visit import Visit

T = TypeVar("T")


async def ask(visit: Visit, situation: Situation, operation: str, call: Callable[[Driver], Awaitable[T]]) -> T:
    """What the device answers, over this visit's session. Raises OperatorError."""
    started = visit.tools.clock.monotonic()
    result = "error"
    try:
        answer = await call(await visit.driver(situation))
        result = "ok"
        return answer
    except OperatorError as error:
        result = str(error.reason)
        raise
    finally:
        visit.tools.counters.device_operation(
            visit.desired.driver, operation, result, visit.tools.clock.monotonic() - started
        )
