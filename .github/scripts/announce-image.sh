#!/usr/bin/env bash
# Verifies where the image DIGEST of COMMIT came from, and writes into the run's summary how the release TAG is made of it.
set -euo pipefail

gh attestation verify "oci://$IMAGE@$DIGEST" --repo "$GITHUB_REPOSITORY" \
    --signer-workflow "$GITHUB_REPOSITORY/.github/workflows/release-image.yml"

cat >>"$GITHUB_STEP_SUMMARY" <<END
The image of $TAG is \`$IMAGE@$DIGEST\`. To release it, run in a clean clone:

\`\`\`bash
git fetch origin && git switch --detach $COMMIT
python3 .github/scripts/pin_release.py commit $TAG \\
  $DIGEST \\
  --owner-id $GITHUB_REPOSITORY_OWNER_ID --repository-id $GITHUB_REPOSITORY_ID
git push --atomic origin release/$TAG $TAG
\`\`\`
END
