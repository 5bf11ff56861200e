#!/bin/sh
# Runs a command in a network of its own, with a loopback interface and nothing else: whatever has ports 25
# and 53 on this machine is not in the way. Where that is not permitted, it runs in the network that there is.
# Received data is acknowledged at once there (quickack): no sender waits 40 ms for a receiver that waits for more.
if [ "$(id -u)" = 0 ] && command -v ip >/dev/null && unshare --net true 2>/dev/null; then
  # shellcheck disable=SC2016
  exec unshare --net sh -c 'ip link set lo up && for to in 127.0.0.0/8 127.0.0.1; do
    ip route replace local "$to" dev lo table local proto kernel scope host src 127.0.0.1 quickack 1
  done && exec "$@"' sh "$@"
fi
echo "interop/in-network.sh: a network of our own needs root and CAP_SYS_ADMIN; without it ports 25 and 53" \
  "must be free" >&2
exec "$@"
