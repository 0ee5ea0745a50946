"""What the image's tests need of a machine, in one sentence."""

import os

from deploy.image import build


def require() -> None:
    """Raises RuntimeError when a program, or the right to mount, is missing."""
    if os.geteuid() != 0:
        raise RuntimeError(
            "The image's tests mount file systems: run them as root, or leave them out with -m 'not image'"
        )
    try:
        build.require({**build.PROGRAMS, "runc": "runc"})
    except build.BuildFailed as error:
        raise RuntimeError(str(error)) from None
