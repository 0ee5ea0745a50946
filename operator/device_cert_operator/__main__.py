"""`devicecert`, also as `python -m device_cert_operator`."""

from device_cert_operator.cli import main

if __name__ == "__main__":
    main()
