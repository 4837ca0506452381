# shellcheck shell=sh
# What scripts/start, scripts/test and scripts/check need before they can do anything. Sourced, with
# $root set to the repository's folder; works with `set -eu`.
#
#   prepare_packages   npm ci in service/ when its packages are missing, incomplete or outdated;
#                      afterwards $node is the Node to use for everything else
#   prepare_build      compiles service/src to service/dist when anything in it is newer
#
# Both are quick when there is nothing to do, and say what they do (on standard error) when there is.

service=$root/service
modules=$service/node_modules
node=

. "$root/scripts/lib/turns.sh"

prepare_packages() {
  if ! packages_are_there; then
    take_turn
    # whoever came first may have installed them meanwhile
    packages_are_there || install_packages
    end_turn
  fi
  choose_node || fail "There is no Node 26 for this machine ($(uname -sm)): none comes as a package, and $(node --version 2>/dev/null || echo none) is installed." \
    "Install Node.js 26 or later (https://nodejs.org/en/download), then start again."
}

prepare_build() {
  if ! build_is_fresh; then
    take_turn
    build_is_fresh || build
    end_turn
  fi
}

# Written when npm ci is through, inside the folder that npm ci begins by removing: one that was
# interrupted leaves no stamp.
packages_stamp=$modules/.config-service-stamp

packages_are_there() {
  [ -f "$packages_stamp" ] && [ "$(cat "$packages_stamp")" = "$(stamp_of_lockfile)" ]
}

stamp_of_lockfile() {
  printf '%s %s\n' "$(cksum <"$service/package-lock.json")" "$(uname -sm)"
}

install_packages() {
  if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
    fail "Node.js with npm is needed to install the packages, and $(command -v node >/dev/null 2>&1 && echo npm || echo node) is not on the PATH." \
      "Install any Node.js from version 20 (https://nodejs.org/en/download, or your system's packages nodejs and npm), then start again." \
      "The service itself runs on Node 26, which comes with the packages."
  fi
  say "Installing packages (npm ci; a minute or so, only when the lockfile has changed) ..."
  begun=$(date +%s)
  output=$root/.cache/npm-ci.log
  mkdir -p "$root/.cache"
  if ! run_npm_ci; then
    head -n 12 "$output" >&2
    fail "npm ci failed in $service (its first lines are above, all of them in $output)." \
      "Is the registry within reach ($(npm config get registry 2>/dev/null))? Then start again: it begins anew."
  fi
  # npm passes over optional packages that it could not fetch.
  choose_node || fail "npm ci went through, but brought no Node 26 for this machine ($(uname -sm)), and $(node --version) is installed." \
    "Start again if the network was to blame; otherwise install Node.js 26 or later (https://nodejs.org/en/download)."
  stamp_of_lockfile >"$packages_stamp"
  say "Installed in $(($(date +%s) - begun)) s."
}

# In the background, since npm takes its time to end when it is asked to, and a shell that waits for a
# program in the foreground hears of nothing.
run_npm_ci() {
  npm=
  ticker=
  trap 'stop_npm_ci 129' HUP
  trap 'stop_npm_ci 130' INT
  trap 'stop_npm_ci 143' TERM
  sh "$root/scripts/lib/npm-ci.sh" "$root" >"$output" 2>&1 &
  npm=$!
  (while sleep 10 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do say "Installing packages, $(($(date +%s) - begun)) s ..."; done) &
  ticker=$!
  code=0
  wait "$npm" || code=$?
  trap - HUP INT TERM
  kill "$ticker" 2>/dev/null || :
  return "$code"
}

stop_npm_ci() {
  trap '' HUP INT TERM
  say 'Stopped; the next start installs anew.'
  [ -z "$ticker" ] || kill "$ticker" 2>/dev/null || :
  if [ -n "$npm" ]; then
    kill "$npm" 2>/dev/null || :
    sleep 1
    kill -9 "$npm" 2>/dev/null || :
  fi
  end_turn
  exit "$1"
}

choose_node() {
  if [ -x "$modules/.bin/node" ]; then
    node=$modules/.bin/node
    return 0
  fi
  node=$(command -v node) || return 1
  version=$("$node" --version) && version=${version#v} && [ "${version%%.*}" -ge 26 ]
}

build_stamp=$service/dist/.stamp

# Folders count as well: theirs is the time of the last file that came or went.
build_is_fresh() {
  [ -f "$build_stamp" ] && [ -z "$(find "$service/src" "$service/tsconfig.json" "$service/tsconfig.dist.json" "$packages_stamp" -newer "$build_stamp" | head -n 1)" ]
}

build() {
  say "Building the service ..."
  mkdir -p "$service/dist"
  rm -f "$build_stamp"
  # as of now: what is edited during the build is built by the next
  : >"$build_stamp.new"
  (cd "$service" && "$node" node_modules/typescript-native/bin/tsc -p tsconfig.dist.json) >&2 ||
    fail "The service does not compile (see above). Mend service/src, then start again."
  mv "$build_stamp.new" "$build_stamp"
}

say() {
  printf '%s\n' "$*" >&2
}

fail() {
  printf '%s\n' "$@" >&2
  exit 1
}
