#!/usr/bin/env bash
# schema-breaking.sh BUF: fails when schemas/ could no longer read what the commit before this tree wrote.
# With uncommitted changes that commit is HEAD, else HEAD's parent.
set -euo pipefail
cd "$(dirname "$0")/.."
base=HEAD
git diff --quiet HEAD -- schemas && base=HEAD~1
if ! git cat-file -e "$base:schemas/buf.yaml" 2>/dev/null; then
  echo "no schemas in $base: nothing can break"
  exit 0
fi
cd schemas
"$1" breaking --against "../.git#ref=$(git rev-parse "$base"),subdir=schemas"
