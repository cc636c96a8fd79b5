#!/usr/bin/env bash
# Installs what lmbench needs beside Rust: QEMU 10, libvirt with its headers, OpenSSH, iproute2, a C linker, a guest kernel.
# Idempotent and asks nothing; needs neither root nor network when nothing is missing; leaves no new service running.
# Without apt it says what to install. Exit codes: 0 all is there; 3 something is missing, and the text says what mends it.
# apt's own $(FIELD) in single quotes is not the shell's.
# shellcheck disable=SC2016,SC1091
set -euo pipefail
export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
umask 022

readonly QEMU_WANTED=10 QEMU_LEAST=8
readonly OLD_DEBIAN=bookworm BACKPORTS=bookworm-backports
readonly SYSTEM_GUEST=/usr/local/share/lmbench/guest
readonly USER_GUEST=${XDG_DATA_HOME:-${HOME:-/nonexistent}/.local/share}/lmbench/guest
readonly POLICY=/usr/sbin/policy-rc.d POLICY_MARK='# made by the setup of lmbench, which removes it'
# What was installed by hand counts as installed, so commands are looked for, not packages.
readonly COMMANDS=(gcc:gcc pkg-config:pkg-config ssh:openssh-client ssh-keygen:openssh-client sshd:openssh-server
  ip:iproute2 tc:iproute2 unshare:util-linux nsenter:util-linux xz:xz-utils zstd:zstd ps:procps
  qemu-img:qemu-utils libvirtd:libvirt-daemon virsh:libvirt-clients)
readonly APT=(apt-get -qq -y -o Acquire::Retries=1 -o Acquire::http::Timeout=15 -o Acquire::https::Timeout=15
  -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold)

WORK=$(mktemp -d)
STAGED=
finish() {
  rm -rf "$WORK"
  if [ -n "$STAGED" ]; then as_root rm -rf "$STAGED" || true; fi
  if grep -qsxF "$POLICY_MARK" "$POLICY"; then as_root rm -f "$POLICY" || true; fi
}

say() { printf 'setup: %s\n' "$*" >&2; }
die() { printf 'error: %s\nhint: %s\n' "$1" "$2" >&2; exit 3; }
has() { command -v "$1" >/dev/null 2>&1; }
can_be_root() { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

# Runs a command without its chatter; when it fails, the end of what it said is shown.
quietly() {
  "$@" </dev/null >"$WORK/log" 2>&1 && return
  tail -n 12 "$WORK/log" >&2
  return 1
}
network_trouble() { die "$1" "check the network and the mirrors in /etc/apt (\`apt-get update\` shows them), then run harness/setup.sh again"; }

elsewhere() {
  cat >&2 <<TEXT
error: this system has no apt, and lmbench needs: $*
hint: install by hand, then run \`lmbench doctor\`:
  Fedora, RHEL    dnf install qemu-system-x86-core qemu-img libvirt-daemon-driver-qemu libvirt-client libvirt-devel openssh-server openssh-clients iproute iproute-tc gcc glibc-static pkgconf-pkg-config util-linux procps-ng xz zstd
  openSUSE        zypper install qemu-x86 qemu-img libvirt-daemon-qemu libvirt-client libvirt-devel openssh iproute2 gcc glibc-devel-static pkg-config util-linux procps xz zstd
  Arch            pacman -S --needed qemu-system-x86 qemu-img libvirt openssh iproute2 gcc pkgconf util-linux procps-ng xz zstd
  Alpine          not supported: lmbench builds a static glibc program
  QEMU $QEMU_WANTED or newer is wanted, $QEMU_LEAST.2 the least. As guest kernel any stock Linux >= 5.10 with virtio-pci and virtio-console will do:
    install -D -m 0644 /boot/vmlinuz-\$(uname -r) $SYSTEM_GUEST/vmlinuz     (or /lib/modules/\$(uname -r)/vmlinuz, or /boot/vmlinuz-linux)
    mkdir -p $SYSTEM_GUEST/modules && cp -r /lib/modules/\$(uname -r) $SYSTEM_GUEST/modules/
TEXT
  exit 3
}

major() { sed -n 's/^[^0-9]*\(.*version \|[0-9]*:\)\{0,1\}\([0-9][0-9]*\)\..*/\2/p' | grep -m 1 . || echo 0; }
qemu_major() { { qemu-system-x86_64 --version 2>/dev/null || true; } | major; }
codename() { (. /etc/os-release && printf %s "${VERSION_CODENAME:-}"); }

# Debian 12 has QEMU 7.2 and in its backports 10. Elsewhere the archive's QEMU has to do.
backports_known() { [ -n "$(apt-get indextargets --format '$(SITE)' "Codename: $BACKPORTS" 'Origin: Debian Backports')" ]; }
from_backports() { ! backports_known || echo "-t=$BACKPORTS"; }
newer_qemu_offered() {
  [ "$(codename)" = "$OLD_DEBIAN" ] || [ "$(apt-cache policy qemu-system-x86 2>/dev/null | sed -n 's/^ *Candidate: //p' | major)" -gt "$(qemu_major)" ]
}

missing_packages() {
  local pair
  for pair in "${COMMANDS[@]}"; do has "${pair%%:*}" || echo "${pair#*:}"; done | sort -u
  compgen -G '/usr/lib*/libc.a' >/dev/null || compgen -G '/usr/lib/*/libc.a' >/dev/null || echo libc6-dev
  has pkg-config && pkg-config --exists libvirt || echo libvirt-dev
  compgen -G '/usr/lib*/libvirt/connection-driver/libvirt_driver_qemu.so' >/dev/null \
    || compgen -G '/usr/lib/*/libvirt/connection-driver/libvirt_driver_qemu.so' >/dev/null || echo libvirt-daemon-driver-qemu
  if [ "$(qemu_major)" = 0 ] || { [ "$(qemu_major)" -lt "$QEMU_WANTED" ] && has apt-cache && newer_qemu_offered; }; then echo qemu-system-x86; fi
}

have_kernel() {
  local folder
  for folder in "$SYSTEM_GUEST" "$USER_GUEST"; do
    if [ -r "$folder/vmlinuz" ] && compgen -G "$folder/modules/*" >/dev/null; then return 0; fi
  done
  [ -r "${LMBENCH_GUEST_KERNEL:-}" ]
}

# Copies the apt entry that this system gets Debian itself from: its mirror, its key, its options; only the suite differs.
enable_backports() {
  local entry file number list=/etc/apt/sources.list.d/lmbench-backports
  [ "$(codename)" = "$OLD_DEBIAN" ] || return 0
  ! backports_known || return 0
  entry=$(apt-get indextargets --format '$(SOURCESENTRY)' 'Identifier: Packages' "Codename: $OLD_DEBIAN" 'Origin: Debian' 'Component: main' | head -n 1)
  [ -n "$entry" ] || network_trouble "no apt source of Debian 12 itself answers"
  file=${entry%:*} number=${entry##*:}
  say "enabling $BACKPORTS, by the entry in $file"
  if [ "${file%.sources}" != "$file" ]; then
    list=$list.sources
    { printf 'Types: deb\nSuites: %s\nComponents: main\n' "$BACKPORTS"
      sed '/^#/d' "$file" | awk -v RS= -v number="$number" 'NR == number' \
        | awk '/^[^ \t]/ { drop = tolower($1) ~ /^(types|suites|components|enabled):/ } !drop'; } >"$WORK/source"
  else
    list=$list.list
    sed -nE "${number}s/^deb +(\[[^]]*\] +)?([^ ]+) .*/deb \1\2 $BACKPORTS main/p" <(tr '\t' ' ' <"$file") >"$WORK/source"
  fi
  as_root install -D -m 0644 "$WORK/source" "$list"
  as_root "${APT[@]}" update </dev/null >"$WORK/log" 2>&1 || true
  if ! backports_known; then
    tail -n 12 "$WORK/log" >&2
    as_root rm -f "$list"
    die "$BACKPORTS could not be read from the mirror in $file" "check the network (\`apt-get update\` shows its state); if this mirror has no $BACKPORTS, add another mirror's to /etc/apt/sources.list.d; then run harness/setup.sh again"
  fi
}

enabled_units() { find /etc/systemd/system -name '*.*' -type l 2>/dev/null | sort; }

apt_install() {
  quietly as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 "${APT[@]}" --no-install-recommends --fix-broken install "$@" \
    || network_trouble "these packages could not be installed: $*"
}

# Daemons are started by the lab that needs them, and nobody asked for an ssh server that listens.
install_packages() {
  local unit package plain=() hypervisor=() release
  mapfile -t release < <(from_backports)
  say "installing $*"
  for package in "$@"; do
    case $package in qemu-* | libvirt-*) hypervisor+=("$package") ;; *) plain+=("$package") ;; esac
  done
  enabled_units >"$WORK/enabled"
  [ -e "$POLICY" ] || printf '#!/bin/sh\n%s\nexit 101\n' "$POLICY_MARK" | as_root install -m 0755 /dev/stdin "$POLICY"
  # Mends what a run killed in the middle of dpkg left behind.
  as_root env DEBIAN_FRONTEND=noninteractive dpkg --configure -a </dev/null >/dev/null 2>&1 || true
  # Only the hypervisor comes from backports; the rest stays what this system would install anyway.
  [ ${#plain[@]} = 0 ] || apt_install "${plain[@]}"
  [ ${#hypervisor[@]} = 0 ] || apt_install "${release[@]}" "${hypervisor[@]}"
  has systemctl || return 0
  for unit in $(enabled_units | comm -13 "$WORK/enabled" - | sed 's|.*/||' | grep -E '^(ssh|libvirt|virt)' | sort -u); do
    as_root systemctl --quiet disable "$unit" >/dev/null 2>&1 || true
  done
}

# QEMU starts an uncompressed kernel by itself (PVH). A translated guest would decompress it at each boot, for a second and more.
# A kernel that can't be started so, or is packed in a way unknown here, stays as it is.
uncompress_kernel() {
  local folder=$1 vmlinuz=$1/vmlinuz sectors offset length unpack
  [ -r "$vmlinuz" ] && [ ! -e "$folder/vmlinux" ] || return 0
  # The header of bzImage, protocol 2.08 (Documentation/arch/x86/boot.rst): setup_sects, payload_offset, payload_length.
  sectors=$(od -An -tu1 -j $((0x1f1)) -N 1 "$vmlinuz")
  read -r offset length < <(od -An -tu4 -j $((0x248)) -N 8 "$vmlinuz")
  offset=$((offset + (sectors + 1) * 512))
  case $(od -An -tx1 -j "$offset" -N 4 "$vmlinuz" | tr -d ' ') in
    28b52ffd) unpack=zstd ;;
    fd377a58) unpack=xz ;;
    *) return 0 ;;
  esac
  # The last four bytes of the payload are its length, not part of it.
  tail -c +$((offset + 1)) "$vmlinuz" | head -c $((length - 4)) | "$unpack" -dc >"$WORK/vmlinux" 2>/dev/null || true
  # The note by which QEMU finds the entry: XEN_ELFNOTE_PHYS32_ENTRY, 18.
  grep -aqP '^\x7fELF' "$WORK/vmlinux" && grep -aqP '\x12\x00\x00\x00Xen\x00' "$WORK/vmlinux" || return 0
  as_root install -m 0644 "$WORK/vmlinux" "$folder/vmlinux.new" && as_root mv -T "$folder/vmlinux.new" "$folder/vmlinux"
}

# The kernel is unpacked, not installed: no boot loader is touched, and an ordinary user can read it.
unpack_kernel() {
  local target=$USER_GUEST image package version release
  mapfile -t release < <(from_backports)
  if can_be_root; then target=$SYSTEM_GUEST; else as_root() { "$@"; }; fi
  for package in "linux-image-cloud-$(dpkg --print-architecture)" linux-image-virtual; do
    image=$(apt-cache "${release[@]}" depends "$package" 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9][^ ]*\)$/\1/p' | head -n 1 || true)
    [ -z "$image" ] || break
  done
  [ -n "$image" ] || network_trouble "apt knows no kernel for guests"
  version=${image#linux-image-}
  say "unpacking $image to $target"
  # Debian has the modules in the same package, Ubuntu in one of their own.
  (cd "$WORK" && for package in "$image" "linux-modules-$version"; do
    [ "$package" = "$image" ] || apt-cache show "$package" >/dev/null 2>&1 || continue
    quietly "${APT[@]}" -o APT::Sandbox::User=root download "$package" || exit 1
  done && for package in *.deb; do dpkg-deb -x "$package" tree || exit 1; done) || network_trouble "$image could not be downloaded"

  as_root mkdir -p "${target%/*}"
  as_root find "${target%/*}" -maxdepth 1 -name 'guest.new.*' -mmin +30 -exec rm -rf {} +
  STAGED=$target.new.$$
  as_root mkdir -p "$STAGED/modules"
  as_root install -m 0644 "$WORK/tree/boot/vmlinuz-$version" "$STAGED/vmlinuz"
  for package in "$WORK"/tree/lib/modules/"$version" "$WORK"/tree/usr/lib/modules/"$version"; do
    [ ! -d "$package/kernel" ] || as_root cp -r "$package" "$STAGED/modules/"
  done
  as_root chmod -R u=rwX,go=rX "$STAGED"
  # One rename makes it visible: whoever looks sees all of it or nothing.
  as_root rm -rf "$target"
  as_root mv -T "$STAGED" "$target"
  STAGED=
}

main() {
  local packages kernel=
  mapfile -t packages < <(missing_packages)
  have_kernel || kernel='a kernel for guests'
  if [ ${#packages[@]} -gt 0 ] || [ -n "$kernel" ]; then
    has apt-get || elsewhere "${packages[*]}" "$kernel"
    if can_be_root; then
      say "reading the package lists"
      as_root "${APT[@]}" update </dev/null >"$WORK/log" 2>&1 || tail -n 12 "$WORK/log" >&2
    elif [ ${#packages[@]} -gt 0 ]; then
      die "these packages are missing: ${packages[*]}" "run harness/setup.sh as root, or allow sudo without a password"
    fi
  fi
  if [ ${#packages[@]} -gt 0 ]; then
    enable_backports
    install_packages "${packages[@]}"
    hash -r
    mapfile -t packages < <(missing_packages)
    [ ${#packages[@]} = 0 ] || die "still missing after the installation: ${packages[*]}" "something on PATH hides them: \`type -a qemu-system-x86_64\` shows every QEMU here"
  fi
  [ -z "$kernel" ] || unpack_kernel
  if [ "$(uname -m)" = x86_64 ]; then
    if can_be_root; then uncompress_kernel "$SYSTEM_GUEST"; fi
    if [ -w "$USER_GUEST" ]; then as_root() { "$@"; } && uncompress_kernel "$USER_GUEST"; fi
  fi
  [ "$(qemu_major)" -ge "$QEMU_LEAST" ] || die "QEMU $(qemu_major) is all that this system offers" "install QEMU $QEMU_WANTED by hand; $QEMU_LEAST.2 is the least that lmbench works with"
  [ "$(qemu_major)" -ge "$QEMU_WANTED" ] || say "QEMU $(qemu_major) will do, but its figures do not compare with those of QEMU $QEMU_WANTED; \`lmbench doctor\` says what it lacks"
  say "all is there"
}

trap finish EXIT
trap 'exit 130' INT TERM HUP
main
