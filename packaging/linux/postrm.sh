#!/bin/sh
# After files were removed.
# $1: remove, purge, upgrade, abort-install (dpkg); 0 at the removal, 1 at an upgrade (rpm).
set -e

data=/var/lib/recording-agent
config=/etc/recording-agent
drop_in=/etc/systemd/system/recording-agent.service.d

reload() {
	if [ -d /run/systemd/system ]; then
		systemctl daemon-reload
	fi
}

# kept says what of the data directory is to stay: recordings, and whatever lies in an
# inbox. They may be the only copies: no package manager decides about footage, nor does
# a disk that cannot be read.
kept() {
	if found=$(find "$data/" -iname '*.mp4*' -o -path "$data/inbox/*" ! -type d); then
		if [ "$found" ]; then
			echo "$(echo "$found" | wc -l) recordings ($(du -sh "$data/" | cut -f 1))"
		fi
	else
		echo "what cannot be read"
	fi
}

case "$1" in
abort-install)
	if [ -f "$config/agent.toml.before-package" ]; then
		mv "$config/agent.toml.before-package" "$config/agent.toml"
	fi
	;;
remove | 0)
	rm -f "$drop_in/install.conf" # "recording-agent install" writes it again
	rmdir "$drop_in" 2>/dev/null || true
	reload
	# rpm puts aside what somebody has edited: it stays where it was, as with dpkg.
	if [ "$1" = 0 ] && [ -e "$config/agent.toml.rpmsave" ] && ! [ -e "$config/agent.toml" ]; then
		mv "$config/agent.toml.rpmsave" "$config/agent.toml"
	fi
	echo "recording-agent: removed. Recordings and ledger stay in $data (or where agent.data_dir said), the configuration in $config."
	;;
purge)
	echo "recording-agent: deletes $config (configuration, secrets) and $drop_in."
	rm -rf "$config" "$drop_in"
	reload
	if [ -d "$data" ]; then
		kept=$(kept)
		if [ "$kept" ]; then
			echo "recording-agent: KEEPS $kept in $data. They may not be in any bucket. To delete them: sudo rm -r $data/*"
		else
			echo "recording-agent: deletes $data (ledger; there are no recordings)."
			find "$data/" -mindepth 1 -delete
			rmdir "$data" 2>/dev/null || true # a disk is mounted there, or it is a link
		fi
	fi
	echo "recording-agent: a data_dir or log elsewhere stays as it is, and the user recording-agent who owns it. To delete that: sudo userdel recording-agent"
	;;
esac
