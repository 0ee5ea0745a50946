"""The table of what real verifiers do, each row with the offer that shows it."""

from tests.browser.rows.certificates import LEAVES, ROOTS
from tests.browser.rows.constraints import CONSTRAINTS
from tests.browser.rows.handshakes import HANDSHAKES
from tests.browser.rows.names import NAMES
from tests.browser.rows.paths import PATHS

ROWS = [*ROOTS, *LEAVES, *NAMES, *PATHS, *CONSTRAINTS, *HANDSHAKES]
