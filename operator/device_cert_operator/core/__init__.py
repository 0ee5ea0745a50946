"""Pure decisions over values: no clock, no IO, no client library. What may be decided is decided here."""
