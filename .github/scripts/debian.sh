#!/usr/bin/env bash
# Installs what tests need of the runner's own system.
#   debian.sh PACKAGE...
set -euo pipefail

sudo apt-get update -qq
sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
# a test starts its own
for package in "$@"; do
    sudo systemctl disable --now "$package" 2>/dev/null || true
done
