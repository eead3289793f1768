#!/usr/bin/env bash
# Signs IMAGE@DIGEST without a key, and looks at once at everything that a user will look at: the signature, the
# provenance of the image and of the packages in dist/, and the SBOM of both platforms.
set -euo pipefail

subject=$IMAGE@$DIGEST
workflow=$GITHUB_REPOSITORY/.github/workflows/release.yml

cosign sign --yes "$subject"
cosign verify \
    --certificate-oidc-issuer https://token.actions.githubusercontent.com \
    --certificate-identity "$GITHUB_SERVER_URL/$GITHUB_WORKFLOW_REF" \
    "$subject"

for artifact in "oci://$subject" dist/*; do
    gh attestation verify "$artifact" --repo "$GITHUB_REPOSITORY" --signer-workflow "$workflow"
done

for platform in linux/amd64 linux/arm64; do
    packages=$(docker buildx imagetools inspect "$subject" \
        --format "{{len (index .SBOM \"$platform\").SPDX.packages}}")
    echo "SBOM of $platform: $packages packages"
    ((packages > 0))
done
