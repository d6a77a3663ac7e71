#!/bin/sh
# Before files are removed.
# $1: remove, upgrade (dpkg); 0 at the removal, 1 at an upgrade (rpm).
set -e

# An upgrade lets the old version record until the new one is there.
case "$1" in
remove | 0) ;;
*) exit 0 ;;
esac

if [ -d /run/systemd/system ]; then
	systemctl disable --now recording-agent.service # open segments are finished
fi
