"""What goes back over HTTP when a log-in was not accepted."""

from aiohttp import web

from device_simulator.auth import Answer, Guard


def turn_away(guard: Guard, told: Answer) -> web.Response:
    """A locked door, or a challenge for each algorithm (RFC 7616, section 3.7)."""
    if told is Answer.LOCKED:
        return web.Response(status=403, text="Login has been locked")
    reply = web.Response(status=401, text="Unauthorized")
    for challenge in guard.challenges(stale=told is Answer.STALE):
        reply.headers.add("WWW-Authenticate", challenge)
    return reply
