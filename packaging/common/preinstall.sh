# Runs before the files of either package are unpacked: the deb's preinst and the
# rpm's %pre. Nothing of the new version is on the host yet.

directories="/var/lib/pdagent /var/lib/pdagent/db /var/log/pdagent
	/var/lib/pdagent/outqueue /var/lib/pdagent/outqueue/tmp /var/lib/pdagent/outqueue/pdq
	/var/lib/pdagent/outqueue/suc /var/lib/pdagent/outqueue/err"

if [ -n "$DPKG_MAINTSCRIPT_NAME" ]; then
	owner="dpkg-query -S" environment=/etc/default/pdagent saved=dpkg-old
else
	owner="rpm -qf" environment=/etc/sysconfig/pdagent saved=rpmsave
	set -e
fi

refuse() {
	echo "pdagent: $1, then install again." >&2
	exit 1
}

check_directories() {
	for directory in $directories; do
		if [ -e "$directory" ] && [ ! -d "$directory" ]; then
			refuse "$directory is in the way: it must be a directory. Move it away"
		fi
	done
}

# What an edited unit or init script of 1.x said about the proxy, as NAME=value.
proxy_lines() {
	sed -nE "s/^[[:space:]]*(export[[:space:]]+|Environment=[\"']?)?((https?|no|all)_proxy)=[\"']?([^\"' ]*).*/\2=\4/Ip" "$1"
}

# 1.x copied its unit and init script to places that no package owns. Left there,
# the first shadows the unit and the second makes dpkg ask. An edited one is kept
# under a name that no init system reads, and its proxy is left for the script
# that runs when the environment file is there (rpm would overwrite it now).
retire() {
	file=$1 shipped=$2
	[ -f "$file" ] || return 0
	! $owner "$file" >/dev/null 2>&1 || return 0
	if cmp -s "$file" "$shipped"; then
		rm -f "$file"
		return
	fi
	if [ -n "$(proxy_lines "$file")" ]; then
		mkdir -p "${environment%/*}"
		(umask 0077 && proxy_lines "$file" > "$environment.proxy")
		echo "pdagent: the proxy settings of $file go to $environment" >&2
	fi
	mv -f "$file" "$file.$saved"
	echo "pdagent: $file of version 1 had local changes; kept as $file.$saved" >&2
}

# Byte code beside the modules of 1.x would keep their directories alive.
remove_byte_code() {
	for modules in /usr/lib/python*/*-packages/pdagent; do
		[ ! -d "$modules" ] || find "$modules" -depth -name __pycache__ -exec rm -rf {} +
	done
}

# Somebody else's user would own the queue: worth a line, and no reason to fail.
report_user() {
	home=$(getent passwd pdagent | cut -d: -f6)
	case "$home" in
		"" | /var/lib/pdagent | /nonexistent) ;;
		*) echo "pdagent: using the existing user pdagent, whose home is $home" >&2 ;;
	esac
}

# Here for the rpm, whose later scripts cannot stop an installation any more; the
# deb's dependencies need not be set up yet.
check_python() {
	/usr/bin/python3 -I -c 'import sys; sys.exit(sys.version_info < (3, 9))' ||
		refuse "/usr/bin/python3 must be Python 3.9 or newer. Mend that"
	/usr/bin/python3 -I -c 'import requests' 2>/dev/null ||
		refuse "/usr/bin/python3 cannot import requests. Reinstall python3-requests"
}

# The rpm gives its directories to the user while it unpacks; the deb does so later.
add_user() {
	getent group pdagent >/dev/null || groupadd --system pdagent
	if ! getent passwd pdagent >/dev/null; then
		useradd --system --gid pdagent --home-dir /var/lib/pdagent --no-create-home \
			--shell /sbin/nologin --comment "PagerDuty agent" pdagent
	fi
}

check_directories
[ -e /usr/share/pdagent ] || report_user
scripts=/var/lib/pdagent/scripts # only 1.x has it
if [ -d $scripts ]; then
	# Its daemon must not go on sending from the same queue beside the new one.
	[ -d /run/systemd/system ] || [ ! -x /etc/init.d/pdagent ] || /etc/init.d/pdagent stop || :
	retire /etc/init.d/pdagent $scripts/pdagent.init
	retire /etc/systemd/system/pdagent.service $scripts/pdagent.service
	unit=/lib/systemd/system/pdagent.service # replaced in place, unless edited
	cmp -s $unit $scripts/pdagent.service || retire $unit $scripts/pdagent.service
	remove_byte_code
fi
if [ -z "$DPKG_MAINTSCRIPT_NAME" ]; then
	check_python
	add_user
fi
