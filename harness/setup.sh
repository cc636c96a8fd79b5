#!/usr/bin/env bash
# Installs what lmbench needs beside Rust: QEMU 10, a guest kernel, OpenSSH, iproute2, libvirt and its headers.
# Idempotent, asks nothing, changes nothing that is already there. On a system without apt it says what to install.
set -euo pipefail

readonly GUEST_DIR=/usr/local/share/lmbench/guest
readonly QEMU_MAJOR=10
readonly TOOLS=(ca-certificates gcc libc6-dev pkg-config openssh-server openssh-client iproute2 procps xz-utils)
readonly HYPERVISOR=(qemu-system-x86 qemu-utils libvirt-daemon-system libvirt-clients libvirt-dev)
readonly KERNEL=linux-image-cloud-amd64

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "error: $1"; [ $# -lt 2 ] || say "hint: $2"; exit 3; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo -n "$@" || die "'$*' needs root" "run harness/setup.sh as root, or allow sudo without a password"
  else die "'$*' needs root" "run harness/setup.sh as root"; fi
}

elsewhere() {
  cat >&2 <<'TEXT'
setup: this system has no apt. Install these by your package manager, then run `lmbench doctor`:
  Fedora, RHEL:  dnf install qemu-system-x86-core libvirt-daemon libvirt-devel openssh-server iproute gcc glibc-static pkgconf xz
  openSUSE:      zypper install qemu-x86 libvirt-daemon libvirt-devel openssh iproute2 gcc glibc-devel-static pkg-config xz
  Arch:          pacman -S qemu-system-x86 libvirt openssh iproute2 gcc pkgconf xz
  QEMU 10.0 or newer. The guest kernel: any Linux >= 5.10 with virtio-pci and virtio-console, built in or as modules.
  Say where it is with LMBENCH_GUEST_KERNEL=/path/to/vmlinuz, and LMBENCH_GUEST_MODULES=/lib/modules/VERSION if modules are needed.
TEXT
  exit 3
}

# The major version of the QEMU that is installed, 0 if none is.
qemu_major() { qemu-system-x86_64 --version 2>/dev/null | sed -n 's/.*version \([0-9]*\)\..*/\1/p;q' | grep . || echo 0; }

# Debian 12 has QEMU 7.2; 10.0 is in its backports, on the mirror that this system already uses.
enable_backports() {
  local codename list=/etc/apt/sources.list.d/lmbench-backports.sources source uri key
  codename=$(. /etc/os-release && printf %s "${VERSION_CODENAME:-}")
  [ "$codename" = bookworm ] || return 0
  if grep -rqs "$codename-backports" /etc/apt/sources.list /etc/apt/sources.list.d; then return 0; fi
  source=$(grep -ls '^Suites:.*\bbookworm\b' /etc/apt/sources.list.d/*.sources | head -n 1 || true)
  if [ -n "$source" ]; then
    uri=$(awk -v RS= '/Suites:[^\n]*bookworm( |\n)/' "$source" | sed -n 's/^URIs: *//p' | head -n 1)
    key=$(awk -v RS= '/Suites:[^\n]*bookworm( |\n)/' "$source" | sed -n 's/^Signed-By: *//p' | head -n 1)
  else
    uri=$(sed -n 's/^deb \(\[[^]]*\] \)\?\([^ ]*\) bookworm .*/\2/p' /etc/apt/sources.list | head -n 1)
  fi
  [ -n "${uri:-}" ] || die "no apt source for $codename found" "add a $codename-backports line to /etc/apt/sources.list yourself"
  say "enabling $codename-backports"
  { printf 'Types: deb\nURIs: %s\nSuites: %s-backports\nComponents: main\n' "$uri" "$codename"
    [ -z "${key:-}" ] || printf 'Signed-By: %s\n' "$key"; } | as_root tee "$list" >/dev/null
}

# Backports are opt-in per package; elsewhere the plain archive serves.
apt_target() { if apt-cache policy 2>/dev/null | grep -q 'bookworm-backports'; then echo "-t=bookworm-backports"; fi; }

packages_missing() {
  local package
  for package in "${TOOLS[@]}" "${HYPERVISOR[@]}"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || return 0
  done
  [ "$(qemu_major)" -lt "$QEMU_MAJOR" ]
}

install_packages() {
  enable_backports
  as_root apt-get -qq update
  say "installing packages"
  # policy-rc.d: the daemons are started by whoever needs them, not by the installation.
  as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -qq -y -o Dpkg::Use-Pty=0 \
    install --no-install-recommends $(apt_target) "${TOOLS[@]}" "${HYPERVISOR[@]}" >/dev/null
}

# The kernel is unpacked, not installed: no boot loader is touched, and an ordinary user can read it.
unpack_kernel() {
  local work package
  work=$(mktemp -d)
  trap 'rm -rf "$work"' RETURN
  package=$(apt-cache depends $(apt_target) "$KERNEL" | sed -n 's/^ *Depends: \(linux-image-[0-9][^ ]*\)$/\1/p' | head -n 1)
  [ -n "$package" ] || die "$KERNEL names no kernel package" "run apt-get update, then this script again"
  say "unpacking $package"
  (cd "$work" && apt-get -qq download "$package" && dpkg-deb -x "$package"_*.deb tree)
  as_root mkdir -p "$GUEST_DIR"
  as_root rm -rf "$GUEST_DIR/modules.new"
  mkdir -p "$work/modules"
  cp -r "$work"/tree/*/modules/* "$work/modules" 2>/dev/null || cp -r "$work"/tree/usr/lib/modules/* "$work/modules"
  depmod_tree "$work"
  as_root cp -r "$work/modules" "$GUEST_DIR/modules.new"
  as_root rm -rf "$GUEST_DIR/modules"
  as_root mv "$GUEST_DIR/modules.new" "$GUEST_DIR/modules"
  as_root install -m 0644 "$work"/tree/boot/vmlinuz-* "$GUEST_DIR/vmlinuz"
}
