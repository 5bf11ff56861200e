#!/usr/bin/env sh
# A deploy hook of acme.sh. Put a copy of it, or a link to it, into ~/.acme.sh/deploy/, and say once:
#
#   acme.sh --deploy -d mx.example.org --deploy-hook danelaw
#
# acme.sh notes that, and calls the hook after each renewal. It keeps the key unless the certificate was issued with
# --always-force-new-domain-key. Only newer versions call a hook again that did not succeed: have "retry" in cron.

# DOMAIN KEYFILE CERTFILE CAFILE FULLCHAINFILE
danelaw_deploy() {
  # Exported once, where it is not the usual folder; acme.sh keeps it with the domain.
  _getdeployconf DANELAW_HOOKS
  [ -z "$DANELAW_HOOKS" ] || _savedeployconf DANELAW_HOOKS "$DANELAW_HOOKS"
  _danelaw_hooks=${DANELAW_HOOKS:-/usr/share/danelaw/hooks}
  if ! [ -x "$_danelaw_hooks/deploy" ]; then
    _err "$_danelaw_hooks/deploy is not there: install danelaw, or export DANELAW_HOOKS"
    return 1
  fi
  # The ECDSA certificate of a name that has an RSA one, too: acme.sh calls both the same, and has them in two folders.
  _danelaw_name=$1
  case $2 in
  */"$1"_ecc/*) [ ! -e "${DANELAW_DEPLOY:-/etc/danelaw/deploy}/$1_ecc.conf" ] || _danelaw_name=$1_ecc ;;
  esac
  # In a process of its own: none of its variables are acme.sh's.
  "$_danelaw_hooks/deploy" acme.sh "$_danelaw_name" "$5" "$2"
}
