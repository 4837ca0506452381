# shellcheck shell=sh
# The Collector of collector/distribution, built once for a user and kept in
# ${CONFIG_SERVICE_CACHE:-${XDG_CACHE_HOME:-~/.cache}/config-service}.
#
#   sh scripts/lib/collector.sh path     prints where it is, or would be; 0 when it is there, else 1
#   sh scripts/lib/collector.sh check    0 when there is a Go that can build it, else 1, and two lines: why not, and what to do
#   sh scripts/lib/collector.sh build    builds it when it is missing, prints where it is; needs Go, and the network
#                                        the first time. Says what it does, on standard error, at least every 10 s.
#
# Sourced (with $root set to the repository's folder; works with `set -eu`):
#
#   prepare_collector   builds it when it is missing; afterwards $collector is its path, or '' when it
#                       can't be had, and standard error says why

prepare_collector() {
  collector=$(sh "$root/scripts/lib/collector.sh" build) || collector=
}

case ${0##*/} in
  collector.sh) ;;
  *) return 0 ;;
esac

main() {
  set -eu
  root=$(CDPATH='' cd -P "$(dirname "$0")/../.." && pwd)
  distribution=$root/collector/distribution
  # a machine's user may have no home
  home=${HOME-}
  cache=${CONFIG_SERVICE_CACHE:-${XDG_CACHE_HOME:-${home:-$root}/.cache}/config-service}
  folder=$cache/collector-$(fingerprint)
  binary=$folder/otelcol
  case ${1-} in
    path)
      printf '%s\n' "$binary"
      [ -x "$binary" ]
      ;;
    check)
      choose_go || { printf '%s\n' "$fault" "$remedy"; exit 1; }
      ;;
    build)
      [ -x "$binary" ] || build_collector
      printf '%s\n' "$binary"
      ;;
    *)
      say 'Usage: sh scripts/lib/collector.sh path | check | build'
      exit 2
      ;;
  esac
}

# Of the sources and the machine: other sources are another Collector, beside the one before.
fingerprint() {
  (cd "$distribution" && find . -type f | LC_ALL=C sort | while read -r file; do cksum "$file"; done && uname -sm) | cksum | tr ' ' -
}

build_collector() {
  begun=$(date +%s)
  choose_go || fail "The Collector can't be built: $fault." "$remedy."
  mkdir -p "$folder" 2>/dev/null || fail "The Collector's folder $folder can't be created." \
    'Set CONFIG_SERVICE_CACHE to a folder that you may write to.'

  turns=$cache/turns
  . "$root/scripts/lib/turns.sh"
  log=$folder/build.$$.log
  made=$folder/otelcol.$$
  # Go leaves its work behind when it is killed.
  export GOTMPDIR="$folder/go.$$"
  child=
  trap 'clean_up' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  # Remains of builds that were killed; two machines that share the folder may still be at theirs.
  find "$folder" -type f -name 'build.*' -mmin +120 -exec rm -f {} + 2>/dev/null || :
  find "$folder" -type f -name 'otelcol.*' -mmin +120 -exec rm -f {} + 2>/dev/null || :
  find "$folder" -type d -name 'go.*' -mmin +120 -exec rm -rf {} + 2>/dev/null || :
  mkdir -p "$GOTMPDIR"

  # One at a time, so that two starts do not compile the same twice; were it not to hold, the second
  # would only replace the file by the same.
  (while sleep 10 >/dev/null 2>&1; do say "Collector: waiting for another build of it ($(elapsed) s) ..."; done) &
  child=$!
  take_turn 2>/dev/null
  stop_child
  if [ ! -x "$binary" ]; then
    say "Collector: building it (minutes the first time, only when its sources have changed) ..."
    work downloading "$go" list -deps -f '{{.ImportPath}}' .
    packages=$(grep -vc '^go: ' "$log") || :
    work compiling "$go" build -v -trimpath -ldflags '-s -w' -o "$made" .
    "$made" --version >"$log" 2>&1 || explain 'was built, but does not run; the first lines of what it says are above.'
    mv -f "$made" "$binary"
    say "Collector: built in $(elapsed) s."
  fi
  end_turn
}

# Sets $go; when none will do, $fault says why and $remedy what to do.
choose_go() {
  remedy="Install Go $(wanted_go) or later (https://go.dev/dl)"
  fault='Go is not on the PATH to build it'
  go=$(command -v go) || return 1
  export GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=0 GOFLAGS=-buildvcs=false GOOS='' GOARCH=''
  if [ -z "$home" ]; then
    export GOCACHE="${GOCACHE:-$cache/go-build}" GOPATH="${GOPATH:-$cache/go}"
  fi
  version=$(cd "$distribution/../.." && "$go" env GOVERSION 2>&1) || {
    fault="$go does not run ($(printf '%s\n' "$version" | sed 1q))"
    return 1
  }
  version=${version#go}
  fault="building it needs Go $(wanted_go) or later (there is $version)"
  at_least "$version" "$(wanted_go)"
}

# Runs a step of Go's, and tells every 10 s how far it is: Go names each module that it downloads and
# each package that it compiles.
work() {
  step=$1
  shift
  say "Collector: $step ..."
  (cd "$distribution" && exec "$@") >"$log" 2>&1 &
  child=$!
  told=$(date +%s)
  while kill -0 "$child" 2>/dev/null; do
    sleep 1
    if [ $(($(date +%s) - told)) -ge 9 ]; then
      told=$(date +%s)
      case $step in
        downloading) say "Collector: downloading, $(elapsed) s, $(grep -c '^go: downloading' "$log" || :) modules ..." ;;
        compiling) say "Collector: compiling, $(elapsed) s, $(grep -vc '^go: ' "$log" || :) of up to $packages packages ..." ;;
      esac
    fi
  done
  wait "$child" || case $step in
    downloading)
      explain "could not be built ($step failed); the first lines of what Go says are above." \
        "Modules come from $("$go" env GOPROXY): is that within reach? Then try again, it goes on where it was."
      ;;
    *)
      explain "could not be built ($step failed); the first lines of what Go says are above." \
        'Is there room on the disk (about 2 GB) and memory (1 GB)? Then try again, it goes on where it was.'
      ;;
  esac
  child=
}

explain() {
  grep -v '^go: downloading\|^[a-z0-9.]*\(/[A-Za-z0-9_./-]*\)*$' "$log" | head -n 4 >&2 || :
  what=$1
  shift
  fail "The Collector $what" "$@"
}

clean_up() {
  stop_child
  # The compilers that Go has started may still write for a moment.
  rm -rf "$GOTMPDIR" 2>/dev/null || { sleep 1; rm -rf "$GOTMPDIR" 2>/dev/null || :; }
  rm -f "$made" "$log"
  end_turn
}

# A signal that arrives while a shell forks may be lost: whoever does not end within 2 s is killed.
stop_child() {
  [ -n "$child" ] || return 0
  kill "$child" 2>/dev/null || :
  tries=0
  while kill -0 "$child" 2>/dev/null; do
    [ "$tries" -lt 20 ] || kill -s KILL "$child" 2>/dev/null || :
    tries=$((tries + 1))
    sleep 0.1
  done
  wait "$child" 2>/dev/null || :
  child=
}

wanted_go() {
  sed -n 's/^go //p' "$distribution/go.mod" | sed 's/\.0$//'
}

# Whether version $1 (1.26.8, 1.27rc1) is $2 or later.
at_least() {
  printf '%s\n%s\n' "$1" "$2" | sed 's/[^0-9.].*//' | awk -F . '{ n[NR] = $1 * 1000000 + $2 * 1000 + $3 } END { exit !(n[1] >= n[2]) }'
}

elapsed() {
  echo $(($(date +%s) - begun))
}

say() {
  printf '%s\n' "$*" >&2
}

fail() {
  printf '%s\n' "$@" >&2
  exit 1
}

main "$@"
