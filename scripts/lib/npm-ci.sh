#!/bin/sh
# npm ci as prepare.sh needs it. Becomes npm after announcing itself, so that an npm that outlives a
# killed start still holds its turn.
set -eu
root=$1
. "$root/scripts/lib/turns.sh"
announce $$
cd "$root/service"
# The machine's Node may be older than what package.json asks for: it installs, and runs nothing.
# The build needs development packages, whatever NODE_ENV says.
exec npm ci --include=dev --include=optional --engine-strict=false --no-audit --no-fund --no-update-notifier --loglevel=error
