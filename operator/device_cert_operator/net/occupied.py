"""Does somebody have this address? Asked before a device is put there.

Whatever answers shows that the address is taken: an open port, and a refused connection as well, for only a host that
is there can refuse. Silence and "no route to host" (nobody answers ARP) show that it is free, as far as can be seen
from here: a host that drops everything is not seen. What cannot be looked at counts as taken.
On loopback the machine itself refuses for every address, so that there a refusal shows nothing.
"""

import asyncio
import errno
from contextlib import closing
from datetime import timedelta
from ipaddress import ip_address

from device_cert_operator.core.model import is_ip
from device_cert_operator.net.tls_probe import connect
from device_cert_operator.net.words import place, reason_of
from device_cert_operator.permit import ALWAYS, Permit

USUAL_PORTS = (443, 80, 554, 22)
_NOBODY = frozenset({errno.EHOSTUNREACH, errno.ETIMEDOUT, errno.EHOSTDOWN})


async def probe_occupied(
    address: str, ports: tuple[int, ...], *, timeout: timedelta, permit: Permit = ALWAYS
) -> str | None:
    """What shows that somebody has the address, as the end of a sentence; None: nobody was heard within `timeout`.

    address: IPv4 or IPv6. ports: tried beside `USUAL_PORTS`, all at once. Raises
    NotLeading where another replica acts.
    """
    await permit.before(timeout)
    tries = (_try(address, port, timeout) for port in sorted({*ports, *USUAL_PORTS}))
    return next((heard for heard in await asyncio.gather(*tries) if heard is not None), None)


async def _try(address: str, port: int, timeout: timedelta) -> str | None:
    try:
        async with asyncio.timeout(timeout.total_seconds()):
            with closing(await connect(address, port)):
                return f"something answers at {place(address, port)}"
    except TimeoutError:
        return None
    except ConnectionRefusedError:
        return None if _is_loopback(address) else f"something refuses connections at {place(address, port)}"
    except OSError as error:
        if error.errno in _NOBODY:
            return None
        return f"it cannot be seen whether {place(address, port)} is free ({reason_of(error)})"


def _is_loopback(address: str) -> bool:
    return is_ip(address) and ip_address(address).is_loopback
