#!/bin/sh
# Makes a connector of this machine with nobody at it: installs the program, registers, starts it as a system service, and
# has the doctor look. Ends with the doctor's exit code: 0, or that of the first group in which something failed.
#
#   sh set-up.sh TOKEN_FILE [option of "postern connector install"]...
#
# Run again, it changes only what differs. POSTERN_PACKAGE is what npm installs where there is no postern yet; by default
# three attempts are made ten seconds apart where the network is what failed (POSTERN_ATTEMPTS, POSTERN_PAUSE).
set -eu

if [ $# -eq 0 ] || [ ! -r "$1" ]; then
  echo "set-up: name a file with an enrolment token, made with: postern connector enrolment-token create" >&2
  exit 2
fi
token_file=$1
shift

say() {
  echo "set-up: $*" >&2
}

if ! command -v postern >/dev/null 2>&1; then
  say "installing ${POSTERN_PACKAGE:=@postern/cli}"
  npm install --global "$POSTERN_PACKAGE" >&2
fi

attempt=1
while :; do
  code=0
  postern connector install --token-file "$token_file" "$@" || code=$?
  # At a first boot the network may come late. Everything else stays as it is until somebody mends it.
  if [ "$code" -ne 10 ] || [ "$attempt" -ge "${POSTERN_ATTEMPTS:-3}" ]; then break; fi
  attempt=$((attempt + 1))
  say "the service cannot be reached; attempt $attempt follows"
  sleep "${POSTERN_PAUSE:-10}"
done

case $code in
  0) say "this machine is a connector, and nothing failed" ;;
  10) say "the network: the findings above say which names and ports a firewall or proxy has to let out" ;;
  20) say "trust: something opens TLS on the way, the clock is wrong, or certificates are; see the findings above" ;;
  30) say "the right to register: make another enrolment token, by an account with the role" ;;
  40) say "this machine: disk, folder, limits or the service's unit; see the findings above" ;;
  50) say "this machine is a connector, and a web server that it publishes does not answer as it should" ;;
  *) say "the installation itself failed; its log is named above" ;;
esac
exit "$code"
