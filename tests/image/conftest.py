"""The image, built once a run, and its files."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.image import build
from tests.support import image as needed


@dataclass(frozen=True)
class Built:
    """image: as built. root: its files. configuration: user, command, environment (OCI image specification)."""

    image: build.Image
    root: Path
    configuration: dict[str, Any]


@pytest.fixture(scope="session")
def built() -> Iterator[Built]:
    """This tree's image. Its first build takes some minutes, longer than the tests of it."""
    needed.require()
    store = build.open_store()
    made = build.build(store, tag="test")
    told = json.loads(store.buildah("inspect", "--type", "image", made.reference))
    with store.mounted(made.reference) as root:
        yield Built(made, root, told["OCIv1"]["config"])
