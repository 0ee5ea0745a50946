#!/usr/bin/env bash
# The programs of the system that `make test` starts: installed by root where there is apt-get, else named.
set -euo pipefail
needed=(openssl:openssl chromium:chromium certutil:libnss3-tools promtool:prometheus)
if [[ $(id -u) = 0 ]]; then # without root the tests of the image are left out, and so is what they need
    needed+=(buildah:buildah mmdebstrap:mmdebstrap runc:runc)
fi
missing=()
for one in "${needed[@]}"; do
    command -v "${one%%:*}" >/dev/null || missing+=("${one##*:}")
done
((${#missing[@]})) || exit 0
if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
    echo "make test needs ${missing[*]}: sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
    exit 1
fi
echo "Installing ${missing[*]} …"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
if [[ " ${missing[*]} " == *" prometheus "* ]]; then # the tests start their own
    systemctl disable --now prometheus 2>/dev/null || true
fi
