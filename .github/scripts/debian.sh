#!/usr/bin/env bash
# Installs what tests need of the runner's own system.
#   debian.sh PACKAGE...
set -euo pipefail

sudo apt-get update -qq
# without its services: a test starts its own
sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "$@"
