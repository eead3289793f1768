#!/usr/bin/env bash
# Asks the Python Packaging Advisory Database about every version that an installation, the image or a build of the
# packages is locked to, and fails where one has a known vulnerability. It resolves and installs nothing.
# `audit.sh --dry-run` collects them and asks no service.
set -euo pipefail

.venv/bin/pip-audit --disable-pip --require-hashes --progress-spinner off "$@" \
    --requirement requirements.txt --requirement requirements-build.txt
