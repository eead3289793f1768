#!/usr/bin/env bash
# Signs IMAGE@DIGEST without a key, and verifies at once everything that a user will verify: the signature, the
# provenance of the image and of the packages in dist/, and the SBOM of both platforms. The image comes from
# release-image.yml, the packages from release.yml.
set -euo pipefail

subject=$IMAGE@$DIGEST
workflows=$GITHUB_REPOSITORY/.github/workflows

gh attestation verify "oci://$subject" --repo "$GITHUB_REPOSITORY" --signer-workflow "$workflows/release-image.yml"
cosign sign --yes "$subject"
cosign verify \
    --certificate-oidc-issuer https://token.actions.githubusercontent.com \
    --certificate-identity "$GITHUB_SERVER_URL/$GITHUB_WORKFLOW_REF" \
    "$subject"

for artifact in dist/*; do
    gh attestation verify "$artifact" --repo "$GITHUB_REPOSITORY" --signer-workflow "$workflows/release.yml"
done

for platform in linux/amd64 linux/arm64; do
    packages=$(docker buildx imagetools inspect "$subject" \
        --format "{{len (index .SBOM \"$platform\").SPDX.packages}}")
    echo "SBOM of $platform: $packages packages"
    ((packages > 0))
done
