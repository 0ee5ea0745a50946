"""A CA outside of the cluster, by openssl alone: it gets CSRs, and signs what they ask for."""

import subprocess
from pathlib import Path


class OutsideCA:
    """Root, issuing CA below it, and what they sign. folder: of its files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.root, self.issuing = folder / "outside-root.pem", folder / "outside-issuing.pem"
        self._openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650"),
            *("-keyout", "outside-root.key", "-out", self.root.name, "-subj", "/O=Outside/CN=Outside root"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        )
        self._openssl(
            *("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *(
                "-keyout",
                "outside-issuing.key",
                "-out",
                "outside-issuing.csr",
                "-subj",
                "/O=Outside/CN=Outside issuing",
            ),
        )
        extensions = "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n"
        self._sign("outside-issuing.csr", self.issuing.name, self.root.name, "outside-root.key", extensions, days=1825)

    def sign(self, csr_pem: str, *, days: int = 90, extensions: str | None = None, copy: bool = True) -> str:
        """The leaf as PEM. copy: take the CSR's extensions over. extensions: in openssl's words, instead of ours."""
        (self.folder / "leaf.csr").write_text(csr_pem)
        usual = "keyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth\n"
        given = usual if extensions is None else extensions
        more = ("-copy_extensions", "copy") if copy else ()
        self._sign("leaf.csr", "leaf.pem", self.issuing.name, "outside-issuing.key", given, days=days, more=more)
        return (self.folder / "leaf.pem").read_text()

    def new_csr(self, address: str) -> str:
        """A CSR for a key that nobody keeps."""
        self._openssl(
            *("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "other.key", "-out", "other.csr"),
            *("-subj", f"/CN={address}", "-addext", f"subjectAltName=IP:{address}"),
        )
        return (self.folder / "other.csr").read_text()

    def new_pair(self, *names: str, days: int = 90) -> tuple[str, str]:
        """A certificate and its key as PEM, made the way a person does it with openssl, for addresses and names."""
        digits = set("0123456789.")
        san = ",".join(f"{'IP' if set(name) <= digits else 'DNS'}:{name}" for name in names)
        self._openssl(
            *("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "pair.key", "-out", "pair.csr"),
            *("-subj", f"/O=Outside/CN={names[0]}", "-addext", f"subjectAltName={san}"),
        )
        return self.sign((self.folder / "pair.csr").read_text(), days=days), (self.folder / "pair.key").read_text()

    @property
    def issuing_pem(self) -> str:
        return self.issuing.read_text()

    @property
    def root_pem(self) -> str:
        return self.root.read_text()

    def _sign(
        self, csr: str, out: str, ca: str, key: str, extensions: str, *, days: int, more: tuple[str, ...] = ()
    ) -> None:
        (self.folder / "extensions.cnf").write_text(extensions)
        self._openssl(
            *("x509", "-req", "-in", csr, "-out", out, "-CA", ca, "-CAkey", key, "-days", str(days), "-sha256"),
            *("-extfile", "extensions.cnf", *more),
        )

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)
