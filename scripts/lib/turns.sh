# shellcheck shell=sh
# One at a time: two starts in one clone must not install or build over each other. Sourced, with
# $root set.
#
# Everyone announces itself with a file named after its process, and goes on once nobody else that
# lives is there; of those who wait the one with the lowest number keeps its place. Two can't both
# go on, since the later one to look sees the other. A file of a process that is gone (its number
# and time of start are the name) counts for nothing, so a kill leaves nothing to clean up.

turns=$root/.cache/turns

take_turn() {
  mkdir -p "$turns"
  told=
  while :; do
    announce $$
    alone=yes
    first=yes
    for other in "$turns"/*; do
      name=${other##*/}
      pid=${name%%-*}
      [ "$pid" != $$ ] || continue
      if [ "$name" != "$pid-$(started "$pid")" ]; then
        rm -f "$other"
        continue
      fi
      alone=no
      [ "$pid" -gt $$ ] || first=no
    done
    [ "$alone" = no ] || return 0
    [ "$first" = yes ] || end_turn
    [ -n "$told" ] || printf 'Another start prepares this clone: waiting for it ...\n' >&2
    told=yes
    sleep 1
  done
}

end_turn() {
  rm -f "$turns/$$-"*
}

announce() {
  : >"$turns/$1-$(started "$1")"
}

# When a process started, nothing when there is none (or only its remains).
started() {
  if [ -r /proc/self/stat ]; then
    # fields 3 and 22; the name before them may hold blanks and brackets
    field=$(sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 1,20) || :
  else
    field=$(LC_ALL=C ps -o stat= -o lstart= -p "$1" 2>/dev/null | tr -s ' ' | sed 's/^ *\([A-Z]\)[^ ]*/\1/' | tr -d ':' | tr ' ' '_') || :
  fi
  case $field in
    '' | Z*) ;;
    *) printf '%s' "${field#*[ _]}" ;;
  esac
}
