#!/usr/bin/env bash
# Installs the Debian packages that the interop and differential tests are run against, and starts none of them; and the
# mail programs from npm that the plugins are tested with, in node-programs/.
# Needs root on Debian 12. Says nothing and changes nothing where everything is there already.
set -euo pipefail

node_programs=$(dirname "${BASH_SOURCE[0]}")/node-programs
# npm writes the second file when it has installed what the first one says.
if [[ ! $node_programs/node_modules/.package-lock.json -nt $node_programs/package-lock.json ]]; then
  # Optional are plugins that the tests don't use; scripts would compile what they don't need.
  npm --prefix "$node_programs" ci --omit=optional --ignore-scripts --loglevel=error
fi

packages=(nsd unbound ldnsutils bind9-utils bind9-dnsutils postfix openssl)
# For the differential test.
packages+=(bind9 knot knot-dnssecutils pdns-server pdns-backend-bind)
# Networks that stand in the way: namespaces, packet filters, and a resolver that knows nothing of DNSSEC.
packages+=(iproute2 nftables pdns-recursor)
# A queue that several machines share.
packages+=(postgresql-15)
# What Postfix logs in with, and a language whose library sends mail.
packages+=(libsasl2-modules python3)
# What the relay flushes, and when; and a clock that jumps.
packages+=(strace faketime)
# A browser to look at the page with, and letters to draw.
packages+=(chromium fonts-dejavu-core)
# A Debian to install our own package in.
packages+=(systemd-container)
# A verifier of DKIM signatures.
packages+=(python3-dkim python3-nacl)
# Programs that get certificates, and an authority that gives them some.
packages+=(pebble certbot lego dehydrated)

# Debian lets only one mail server be installed, so Exim is unpacked beside Postfix. These are the libraries
# it is linked with (the rest of its Depends serve the packaged configuration, which the tests don't use).
exim_libraries=(libgnutls-dane0 libgnutls30 libidn12 libidn2-0 libnsl2 libpcre2-8-0 libdb5.3 libcrypt1)
exim_folder=/usr/local/lib/danelaw-interop/exim4

if [[ $EUID -ne 0 ]]; then
  echo "interop/install.sh: installing Debian packages needs root; run it with sudo." >&2
  exit 1
fi

missing=()
for package in "${packages[@]}" "${exim_libraries[@]}"; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $state == installed ]] || missing+=("$package")
done
exim_missing=
[[ -x $exim_folder/usr/sbin/exim4 ]] && getent passwd Debian-exim >/dev/null || exim_missing=yes
[[ ${#missing[@]} -gt 0 || $exim_missing ]] || exit 0

export DEBIAN_FRONTEND=noninteractive

# The servers of these packages must not start: the tests start their own, on ports and folders of their own.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi

apt-get -qq update
if [[ ${#missing[@]} -gt 0 ]]; then
  # The tests make their own database clusters; Debian's package would make one, too.
  no_cluster=/etc/postgresql-common/createcluster.d/danelaw-interop.conf
  if [[ ${missing[*]} == *postgresql* ]]; then
    mkdir -p "$(dirname "$no_cluster")"
    echo 'create_main_cluster = false' >"$no_cluster"
  fi
  apt-get -qq install --yes --no-install-recommends "${missing[@]}" </dev/null
  rm -f "$no_cluster"
fi

if [[ $exim_missing ]]; then
  download=$(mktemp -d)
  chmod 755 "$download"
  (cd "$download" && apt-get -qq download -o APT::Sandbox::User=root exim4-daemon-light)
  mkdir -p "$exim_folder"
  dpkg-deb --extract "$download"/exim4-daemon-light_*.deb "$exim_folder"
  rm -r "$download"
  # Root starts it; nobody else is to gain anything by it.
  chmod u-s "$exim_folder/usr/sbin/exim4"

  # The user that Debian's Exim gives its privileges up for is compiled in, by name.
  getent passwd Debian-exim >/dev/null ||
    adduser --quiet --system --group --no-create-home --home /nonexistent --allow-bad-names Debian-exim
fi
