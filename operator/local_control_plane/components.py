"""The command line of each part of a plane. All listen on 127.0.0.1 alone; etcd asks its clients for a certificate."""

from pathlib import Path

from local_control_plane.build import Programs

CONTROLLERS = (
    "clusterrole-aggregation-controller,garbage-collector-controller,namespace-controller,serviceaccount-controller"
)
ETCD, API_SERVER, CONTROLLER_MANAGER = "etcd", "kube-apiserver", "kube-controller-manager"
START_ORDER = (ETCD, API_SERVER, CONTROLLER_MANAGER)


def etcd(programs: Programs, folder: Path, port: int, peer_port: int) -> list[str]:
    """Fast rather than safe: it does not wait for the disk."""
    client, peer = f"https://127.0.0.1:{port}", f"https://127.0.0.1:{peer_port}"
    pki = folder / "pki"
    return [
        str(programs.etcd),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--client-cert-auth",
        f"--trusted-ca-file={pki / 'ca.crt'}",
        f"--cert-file={pki / 'etcd.crt'}",
        f"--key-file={pki / 'etcd.key'}",
        "--peer-client-cert-auth",
        f"--peer-trusted-ca-file={pki / 'ca.crt'}",
        f"--peer-cert-file={pki / 'etcd.crt'}",
        f"--peer-key-file={pki / 'etcd.key'}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def api_server(programs: Programs, folder: Path, port: int, etcd_port: int) -> list[str]:
    """RBAC and the admission plugins that every cluster has by default; an audit log where there is a policy."""
    pki = folder / "pki"
    command = [
        str(programs.kube_apiserver),
        f"--etcd-servers=https://127.0.0.1:{etcd_port}",
        f"--etcd-cafile={pki / 'ca.crt'}",
        f"--etcd-certfile={pki / 'apiserver-etcd-client.crt'}",
        f"--etcd-keyfile={pki / 'apiserver-etcd-client.key'}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        "--authorization-mode=RBAC",
        "--anonymous-auth=true",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-signing-key-file={pki / 'service-account.key'}",
        f"--service-account-key-file={pki / 'service-account.pub'}",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--endpoint-reconciler-type=none",
        "--shutdown-delay-duration=0s",
    ]
    if (policy := folder / "audit-policy.yaml").exists():
        command += [
            f"--audit-policy-file={policy}",
            f"--audit-log-path={folder / 'audit.log'}",
            "--audit-log-mode=blocking",
        ]
    return command


def controller_manager(programs: Programs, folder: Path) -> list[str]:
    """Only what makes deletion end, service accounts appear and roles add up; it takes no port."""
    pki = folder / "pki"
    return [
        str(programs.kube_controller_manager),
        f"--kubeconfig={folder / 'kube-controller-manager.kubeconfig'}",
        f"--controllers={CONTROLLERS}",
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={pki / 'service-account.key'}",
        f"--root-ca-file={pki / 'ca.crt'}",
        "--secure-port=0",
    ]
