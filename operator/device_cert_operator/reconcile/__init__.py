"""The stories: what happens to a Device and to a DeviceCertificate, from top to bottom."""
