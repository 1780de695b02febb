#!/bin/sh
# Installs Muster's agent on this machine and joins it to a server. Made by 'muster admin installer'.
# It holds a join token: keep it as you would a password.
set -eu
umask 077
SERVER=@SERVER@
JOIN=@JOIN@
TAG=@TAG@
ORG=@ORG@
KIND=@KIND@
SETTINGS=/etc/default/muster-agent
AUTHORITY=/etc/muster-agent/ca.pem

fail() {
    echo "muster-agent: $*" >&2
    exit 1
}

# Sets a variable of the service's settings, whatever it was before; quoted as both shells and systemd read it.
setting() {
    touch "$SETTINGS"
    { grep -v "^$1=" "$SETTINGS" || true; } > "$SETTINGS.new"
    printf '%s="%s"\n' "$1" "$(printf '%s' "$2" | sed 's/[\\"$`]/\\&/g')" >> "$SETTINGS.new"
    mv "$SETTINGS.new" "$SETTINGS"
}

[ "$(id -u)" = 0 ] || fail "this installer must run as root"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ -n "$KIND" ]; then
    sed '1,/^__PACKAGE__$/d' "$0" | base64 -d > "$work/muster-agent.$KIND"
fi
case $KIND in
deb) DEBIAN_FRONTEND=noninteractive dpkg --install "$work/muster-agent.deb" > /dev/null || fail "the package could not be installed" ;;
rpm) rpm --upgrade --replacepkgs "$work/muster-agent.rpm" || fail "the package could not be installed" ;;
*) command -v muster-agent > /dev/null || fail "install the package muster-agent first, or make this installer with --package" ;;
esac

mkdir -p /etc/muster-agent
cat > "$work/ca.pem" <<'PEM'
@AUTHORITY@
PEM
if grep -q BEGIN "$work/ca.pem"; then
    cp "$work/ca.pem" "$AUTHORITY"
    setting MUSTER_AGENT_CA "$AUTHORITY"
fi
setting MUSTER_AGENT_SERVER "$SERVER"
setting MUSTER_AGENT_JOIN "$JOIN"
[ -z "$TAG" ] || setting MUSTER_AGENT_TAG "$TAG"
chmod 600 "$SETTINGS"

if [ -d /run/systemd/system ]; then
    systemctl enable --quiet muster-agent.service
    systemctl restart muster-agent.service || fail "the service did not start; see: journalctl -u muster-agent"
    echo "muster-agent works for $ORG at $SERVER"
else
    echo "muster-agent is set up for $ORG at $SERVER; start it as this machine starts services"
fi
exit 0
__PACKAGE__
