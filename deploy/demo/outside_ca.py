"""Solution 3, somebody else's CA; question 3, a factory restore; question 4, one certificate for several cameras."""

from pathlib import Path

from stage import Cameras, DemoFailed, Stage, run, say, wait_for

EXTENSIONS = "keyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth\n"


class OutsideCA:
    """A CA that knows nothing of Kubernetes: openssl in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "outside.pem"
        (folder / "leaf.cnf").write_text(EXTENSIONS)
        self._openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-keyout", "outside.key"),
            *("-out", "outside.pem", "-subj", "/O=Somebody else/CN=Outside root"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        )

    def sign(self, csr: Path, signed: Path) -> None:
        """The leaf, and the root after it."""
        self._openssl(
            *("x509", "-req", "-in", str(csr), "-out", "leaf.pem", "-CA", "outside.pem", "-CAkey", "outside.key"),
            *("-days", "90", "-sha256", "-copy_extensions", "copy", "-extfile", "leaf.cnf"),
        )
        signed.write_text((self.folder / "leaf.pem").read_text() + self.root.read_text())

    def make_pair(self, *addresses: str) -> None:
        """certificate and key for several addresses: bought.pem, bought.key."""
        names = ",".join(f"IP:{address}" for address in addresses)
        self._openssl(
            *("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "bought.key", "-out", "bought.csr"),
            *("-subj", "/O=Demo", "-addext", f"subjectAltName={names}"),
        )
        self.sign(self.folder / "bought.csr", self.folder / "bought.pem")

    def _openssl(self, *arguments: str) -> None:
        run("openssl", *arguments, cwd=self.folder)


def tell(stage: Stage, cameras: Cameras) -> None:
    """CSR out, chain in; the key lost, and another CSR; a certificate bought for two."""
    say(
        "\nSolution 3: a CA outside. The key is made on the camera, the CSR goes out, the signed chain comes back",
        "head",
    )
    outside = OutsideCA(stage.folder)
    stage.apply("outside-ca.yaml")
    first = _signed(stage, outside, "first.pem")
    took = wait_for(lambda: stage.trusted("127.20.0.4", outside.root), "cam-4 with the chain from outside")
    say(f"  Secure {took:.1f} s after the chain was put back; the key never left cam-4", "ok")

    say("Question 3: cam-4 is restored to factory settings, and its key is gone …")
    cameras.do("factory-reset", "cam-4")
    _signed(stage, outside, "second.pem", unlike=first)
    took = wait_for(lambda: stage.trusted("127.20.0.4", outside.root), "cam-4 after its factory restore")
    say(f"  the old file never fits again: another CSR was made, signed, and is served {took:.1f} s later", "ok")

    say("Question 4: one certificate for cam-5 and cam-6, bought with its key …")
    outside.make_pair("127.20.0.5", "127.20.0.6")
    folder = stage.folder
    files = [f"--from-file=tls.crt={folder / 'bought.pem'}", f"--from-file=tls.key={folder / 'bought.key'}"]
    stage.kubectl("create", "secret", "generic", "bought", *files)
    stage.kubectl("label", "secret", "bought", "devicecert.io/use=certificate")
    took = wait_for(lambda: stage.ready("cam-5", "cam-6"), "both cameras with the certificate that was bought")
    if not all(stage.trusted(f"127.20.0.{number}", outside.root) for number in (5, 6)):
        raise DemoFailed("openssl does not accept cam-5 and cam-6")
    say(f"  both serve it after {took:.1f} s, one after the other", "ok")


def _signed(stage: Stage, outside: OutsideCA, name: str, unlike: str = "") -> str:
    """What a person does: fetch the CSR where the status says it is, have it signed, put the chain back."""
    told = ""

    def asked() -> bool:
        nonlocal told
        if stage.condition("dcert", "cam-4", "Issued").get("reason") != "WaitingForSignature":
            return False
        told = str(stage.get("configmap", "cam-4-csr")["data"]["certreq.pem"])
        return told != unlike

    wait_for(asked, "the CSR of cam-4")
    if unlike:
        say(f"  {stage.condition('dcert', 'cam-4', 'Issued')['message']}")
    csr, signed = stage.folder / "certreq.pem", stage.folder / name
    csr.write_text(told)
    outside.sign(csr, signed)
    made = stage.kubectl(
        "create", "configmap", "cam-4-signed", f"--from-file=tls.crt={signed}", "--dry-run=client", "-o", "json"
    )
    stage.kubectl("apply", "-f", "-", given=made)
    stage.kubectl("label", "configmap", "cam-4-signed", "devicecert.io/use=certificate", "--overwrite")
    return told
