#!/bin/sh
# Installs RenderTrust for you, and makes this machine a node of the farm that handed out this script:
#
#   curl -fsSL FARM/join.sh | sh -s -- CODE [options of `rendertrust node join`, like --service]
#
# CODE is from the console's page Add a machine. Without it, the script only installs or updates the program. The
# program goes into a folder of yours, in an environment of its own. Its wheel comes from the farm, and only with the
# hash below; all other packages come from your own package index, as set for pip.
#
#   RENDERTRUST_PYTHON    the Python to use: 3.11 or newer (3.13 and 3.11 bring Blender)
#   RENDERTRUST_PROGRAM   where the program goes (~/.local/share/rendertrust)
#   RENDERTRUST_BLENDER   no: do not install Blender
set -eu

farm=@FARM@
version=@VERSION@
wheel=@WHEEL@
sha256=@SHA256@
characters=@CHARACTERS@

say() { printf '%s\n' "$*" >&2; }
fail() {
  say "join.sh: $*"
  exit 1
}

# Whether this is a Python that can make environments.
is_usable() {
  "$1" -c 'import sys, venv, ensurepip, ssl; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

# Name the Python to use: the one of the program that is here, or one that can make environments.
find_python() {
  python=$venv/bin/python
  if [ -L "$venv" ] && "$python" -m pip --version >/dev/null 2>&1; then return; fi
  if [ -n "${RENDERTRUST_PYTHON:-}" ]; then
    set -- "$RENDERTRUST_PYTHON"
  else
    set -- python3.13 python3.11 python3.12 python3.14 python3
  fi
  for python in "$@"; do
    if is_usable "$python"; then return; fi
  done
  fail "Python 3.11 or newer with venv is needed. On Debian: apt-get install python3-venv"
}

# Print the extra of a module if the program that is here has it: $1 is the extra, $2 the module.
kept_extra() {
  if [ -L "$venv" ] && "$venv/bin/python" -c "import importlib.util as u, sys; sys.exit(u.find_spec('$2') is None)" \
    >/dev/null 2>&1; then printf '%s' "$1"; fi
}

# Print the extra that brings Blender, if this Python has one and no Blender is here.
blender_extra() {
  if [ "${RENDERTRUST_BLENDER:-}" = no ] || command -v blender >/dev/null 2>&1; then return; fi
  case $("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') in
    3.13 | 3.11) printf render ;;
    *) say "Blender as a Python module exists for Python 3.13 and 3.11: install one of them, or put blender on the PATH." ;;
  esac
}

# Print the extras to install, in brackets: Blender, and those that the program has.
program_extras() {
  extras=$(kept_extra render bpy)
  extras=${extras:-$(blender_extra)}
  inference=$(kept_extra inference onnxruntime)
  if [ -n "$inference" ]; then extras=${extras:+$extras,}$inference; fi
  if [ -n "$extras" ]; then printf '[%s]' "$extras"; fi
}

# Print the value of --state among options of `rendertrust node join`.
state_of() {
  while [ $# -gt 0 ]; do
    case $1 in
      --state) printf '%s' "${2:-}" ;;
      --state=*) printf '%s' "${1#--state=}" ;;
    esac
    shift
  done
}

# Print the version of the program that is here if it is newer than the one of this farm.
newer_here() {
  if [ ! -L "$venv" ]; then return; fi
  "$venv/bin/python" -P -c 'import sys; from rendertrust import __version__ as here, program_version
if program_version.is_older(sys.argv[1], here): print(here)' "$version" 2>/dev/null || :
}

# Remove the new environment, and end.
give_up() {
  rm -rf "$new"
  if [ -L "$venv" ]; then say "The program that was here stays in use."; fi
  fail "$*"
}

# Fill a new environment. pip refuses a wheel with another hash.
fill() {
  set -- "rendertrust$extra @ $farm/download/$wheel#sha256=$sha256"
  "$python" -m venv "$new" >&2 || give_up "no environment could be made in $new: see above."
  # Plugins of others come along.
  if "$venv/bin/python" -P -c 'from rendertrust.node.program_tools import plugins_here; print(*plugins_here(), sep="\n")' \
    >"$new/plugins.txt" 2>/dev/null; then set -- "$@" -r "$new/plugins.txt"; fi
  "$new/bin/python" -m pip install --disable-pip-version-check --no-input "$@" >&2 || give_up \
    "pip could not install the program: see above. If the hash does not match, the farm may have been upgraded: get this script again."
}

# Install the program beside the one that is here. A program that works is replaced only by one that passes its
# self-test, as by `rendertrust node update`; until then nothing changes. A newer program is never replaced by an older
# one. The arguments are those of `node join`.
install_program() {
  newer=$(newer_here)
  if [ -n "$newer" ]; then
    say "RenderTrust $newer is here, and this farm has the older $version: a machine never goes back to an older version."
    if [ -z "$code" ]; then fail "nothing was changed. RENDERTRUST_PROGRAM names another folder for the older version."; fi
    return
  fi
  extra=$(program_extras)
  if [ -L "$venv" ] && [ "$(cat "$program/installed" 2>/dev/null || :)" = "$sha256$extra" ]; then return; fi
  say "Installing RenderTrust $version into $program"
  case $extra in *render*) say "It brings Blender: up to 500 MB." ;; esac
  mkdir -p "$program/versions"
  new=$(mktemp -d "$program/versions/$version-$(printf %.12s "$sha256")-XXXXXXXX")
  chmod 755 "$new"
  fill
  if "$venv/bin/rendertrust" --version >/dev/null 2>&1; then
    state=$(state_of "$@")
    "$new/bin/rendertrust" node activate "$sha256" ${state:+--state "$state"} >&2 </dev/null || give_up \
      "RenderTrust $version cannot do this machine's work: see above."
    return
  fi
  rm -rf "$venv" "$program/installed"
  ln -s "versions/${new##*/}" "$venv"
  printf '%s' "$sha256$extra" >"$program/installed"
}

# Let people call the program by its name, if nothing else has that name.
link_program() {
  link=$HOME/.local/bin/rendertrust
  if [ -e "$link" ] || [ -L "$link" ]; then return; fi
  mkdir -p "$HOME/.local/bin"
  ln -s "$venv/bin/rendertrust" "$link"
}

main() {
  code=
  case ${1:-} in
    -h | --help)
      say "curl -fsSL $farm/join.sh | sh -s -- CODE [options of rendertrust node join]"
      say "CODE is from $farm/console/fleet/add. Without it, the program is only installed or updated."
      exit 0
      ;;
    -*) fail "the CODE comes first; it is from $farm/console/fleet/add" ;;
    ?*)
      code=$1
      shift
      plain=$(printf '%s' "$code" | tr -d ' -')
      if [ "${#plain}" -ne "$characters" ]; then
        fail "the CODE has $characters characters: copy the whole line from $farm/console/fleet/add"
      fi
      ;;
  esac
  if [ -n "$code" ] && [ "$(uname -s)" != Linux ]; then
    fail "a node needs Linux; on Windows, run this in WSL 2"
  fi
  program=${RENDERTRUST_PROGRAM:-${XDG_DATA_HOME:-$HOME/.local/share}/rendertrust}
  venv=$program/venv
  mkdir -p "$program"
  find_python
  install_program "$@"
  link_program
  say "RenderTrust ${newer:-$version} is installed: $venv/bin/rendertrust"
  if [ -z "$code" ]; then
    say "If a node runs here, restart it. To add this machine: $farm/console/fleet/add"
    exit 0
  fi
  if ! command -v bwrap >/dev/null 2>&1; then
    say "There is no sandbox, without which a machine renders nothing for others. On Debian: apt-get install bubblewrap"
  fi
  if ! ls /usr/share/glvnd/egl_vendor.d/*.json /etc/glvnd/egl_vendor.d/*.json 2>/dev/null | grep -q .; then
    say "There is no OpenGL, without which a machine renders nothing with EEVEE. On Debian: apt-get install --no-install-recommends libegl1 libegl-mesa0 libgl1-mesa-dri"
  fi
  exec "$venv/bin/rendertrust" node join "$farm" --code "$code" "$@" </dev/null
}

# The last line: a script that arrived in part does nothing.
main "$@"
