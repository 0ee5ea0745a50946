"""The named ways in which devices misbehave, and how often each still does."""

import random
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum


class Fault(StrEnum):
    """Names as in the list of failure modes; those below the line are of the transport."""

    IMPORT_IGNORED = "import-ignored"  # the upload answers success and nothing is stored
    STORED_NOT_SERVED = "stored-not-served"  # the API shows the new assignment, the socket serves the old certificate
    WEB_DAEMON_RESTARTS = "web-daemon-restarts"  # listeners away for a moment after an upload or an assignment
    NEEDS_REBOOT = "needs-reboot"  # an assignment is served only after a restart
    CLOCK_RESETS_ON_REBOOT = "clock-resets-on-reboot"  # the clock is at 2000-01-01 after a restart
    REBOOT_NOT_DONE = "reboot-not-done"  # a reboot is acknowledged and not done
    LOCKOUT = "lockout"  # three refused log-ins lock the account
    SLOW_KEY_GENERATION = "slow-key-generation"  # keys stay in `generating` for a while
    STORE_FULL = "store-full"  # no slot is free for uploads
    WSSE_WINDOW = "wsse-window"  # UsernameToken only within 10 s of the device's clock
    CLOCK_READ_NEEDS_AUTH = "clock-read-needs-auth"
    CLOCK_SET_REFUSED = "clock-set-refused"  # a well-formed no to whoever sets the clock
    UTC_MISSING = "utc-missing"
    UTC_IS_LOCAL_TIME = "utc-is-local-time"  # what is told as UTC is local time; what is set is taken as UTC
    CANNOT_SERVE = "cannot-serve"  # a newly assigned certificate breaks the TLS server until the old one is back
    WRONG_XADDR = "wrong-xaddr"  # GetServices names another host
    CSR_DESTROYS_CERTIFICATE = "csr-destroys-certificate"  # a CSR deletes what is served; seen after a restart
    CSR_WITHOUT_SAN = "csr-without-san"  # a CSR never carries the names asked for
    CSR_AS_PEM = "csr-as-pem"  # base64 of PEM where base64 of DER is meant
    CSR_SUBJECT_EXTENDED = "csr-subject-extended"  # the device adds its maker and serial number to a CSR's subject
    ADDRESS_CHANGE_NEEDS_REBOOT = "address-change-needs-reboot"  # an address set by the API is taken at the next boot
    STALE_ADDRESS_CERTIFICATE = "stale-address-certificate"  # the own certificate names the address of the last boot
    KEY_TYPE_REFUSED = "key-type-refused"  # RSA-2048 and nothing else, whatever is listed
    CHAIN_REFUSED = "chain-refused"  # an upload of more than the leaf is refused
    CHAIN_TRUNCATED = "chain-truncated"  # an upload of more than the leaf is answered with success; the leaf stays
    EXPIRED_REFUSED = "expired-refused"  # a certificate expired by the device's clock is refused
    CLEAR_IMPORT_GAP = "clear-import-gap"  # an upload is refused until the one before is deleted
    CLOCK_RESETS_ON_POWER_LOSS = "clock-resets-on-power-loss"  # the clock is at 1970-01-01 after a power cycle
    OTHER_BY_NAME = "other-by-name"  # whoever asks for a name (SNI) is shown another certificate
    QUOTES_REQUEST = "quotes-request"  # a change is refused with words that quote it, and the log-in it came with
    ASSIGNMENT_REFUSED = "assignment-refused"  # what is to be served is not assigned: a fault answers
    DELETION_IGNORED = "deletion-ignored"  # a deletion answers success, and nothing goes before a restart
    KEY_ALIAS_DROPPED = "key-alias-dropped"  # a key that the device makes has no name, whatever was asked for
    # ---- transport
    ANSWERS_GARBAGE = "answers-garbage"
    ANSWERS_HTML = "answers-html"
    HALF_REPLY = "half-reply"
    HUGE_REPLY = "huge-reply"
    REDIRECTS = "redirects"
    ENDLESS_HEADERS = "endless-headers"
    DRIPS = "drips"
    TLS_1_0_ONLY = "tls-1.0-only"


# what happens to any device now and then, and needs nobody's help
OF_ANY_DAY = frozenset(
    {
        Fault.IMPORT_IGNORED,
        Fault.STORED_NOT_SERVED,
        Fault.WEB_DAEMON_RESTARTS,
        Fault.SLOW_KEY_GENERATION,
        Fault.CLOCK_RESETS_ON_REBOOT,
    }
)


class FaultBox:
    """Which faults are on, and how many times each will still happen (None: always).

    hostility: the rate at which those `OF_ANY_DAY` and small troubles of the transport happen although nothing is on.
    chances: how many of these have happened.
    """

    def __init__(self, faults: Iterable[Fault] | Mapping[Fault, int], hostility: float, seed: str) -> None:
        self._left: dict[Fault, int | None] = dict(faults) if isinstance(faults, Mapping) else dict.fromkeys(faults)
        self.hostility = hostility
        self.changed: Callable[[], None] = lambda: None
        self.chances = 0
        self._random = random.Random(seed)  # noqa: S311  # repeatable on purpose

    def set(self, fault: Fault, times: int | None = None) -> None:
        """Switch a fault on, for so many times or for good."""
        self._left[fault] = times
        self.changed()

    def clear(self, fault: Fault) -> None:
        """Switch a fault off."""
        self._left.pop(fault, None)
        self.changed()

    def on(self, fault: Fault) -> bool:
        """Whether it is on; nothing is used up."""
        return fault in self._left

    def strikes(self, fault: Fault) -> bool:
        """Whether it happens now; one of its times is used up."""
        if fault not in self._left:
            return fault in OF_ANY_DAY and self.by_chance()
        left = self._left[fault]
        if left is not None:
            if left <= 1:
                del self._left[fault]
            else:
                self._left[fault] = left - 1
        return True

    def by_chance(self) -> bool:
        """Whether one of the small troubles of the day happens now."""
        happens = self.hostility > 0 and self._random.random() < self.hostility
        self.chances += happens
        return happens

    def coin(self) -> bool:
        """Which of two troubles it is."""
        return self._random.random() < 0.5

    @property
    def names(self) -> list[str]:
        """The faults that are on."""
        return sorted(self._left)
