#!/usr/bin/env bash
# Runs lmbench on KVM and netem where the machine has neither: in a VM under TCG, whose emulated AMD SVM gives it a KVM of its own.
# What it does there counts, never how fast. Needs no root, no network, no KVM: only what harness/setup.sh installs, and x86-64.
#
#   harness/vm.sh                           the suite
#   harness/vm.sh SCENARIO.toml [OPTION...] `lmbench run` of a scenario: every migration must complete and every guest's memory be intact
#   harness/vm.sh --test BINARY [FILTER...] tests of bench/tests or harness/tests: `--test guests kvm::`, `--test lab delay`
#
# The records, the journal of the tests and the log come out to results/vm-TIME, or to the folder that LMBENCH_VM_OUT names.
# LMBENCH_VM_SECONDS is the deadline (600), LMBENCH_VM_MEMORY the VM's memory (4G). LMBENCH_VM_PROGRAM is an lmbench to run instead of the
# one that is built for the tests: an optimised one is several times as quick there.
# Exit codes: 0 all went well; 1 something did not, and the text says what, with the end of the VM's console; 2 wrong usage; 3 something is
# missing here; 130 interrupted. The VM ends with the script, however that ends.
set -euo pipefail
export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
umask 022
# Paths are those of whoever calls.
readonly FROM=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."
from() { case $1 in /*) printf %s "$1" ;; *) printf %s "$FROM/$1" ;; esac }

readonly SECONDS_MAX=${LMBENCH_VM_SECONDS:-600} MEMORY=${LMBENCH_VM_MEMORY:-4G}
# What the VM loads at boot: nothing there answers the kernel when it asks for a module by itself.
readonly MODULES=(virtio_pci virtio_console kvm_amd veth bridge tun ifb sch_netem sch_tbf sch_htb sch_ingress sch_fq tcp_bbr tls)
# What lmbench's own guests inside load (NEEDED in harness/src/image.rs).
readonly GUEST_MODULES=(virtio_pci virtio_console virtio_net)
readonly PROGRAMS=(sh bash qemu-system-x86_64 qemu-img ssh ssh-keygen sshd ip tc unshare nsenter setpriv mount xz zstd tar ps
  cat chmod cp cut date dd echo env false grep head id kill ln ls mkdir mktemp mv readlink rm rmdir sed seq sleep sort stat sync tail test timeout touch tr true uname wc)
readonly FIRMWARE=(bios-256k.bin kvmvapic.bin linuxboot.bin linuxboot_dma.bin multiboot.bin multiboot_dma.bin pvh.bin)

WORK=$(mktemp -d)
VM='' LATE='' SCENARIO='' FILES=()
finish() {
  if [ -n "$VM" ]; then kill -KILL "$VM" 2>/dev/null || true; fi
  rm -rf "$WORK"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

say() { printf 'vm: %s\n' "$*" >&2; }
lacks() { printf 'error: %s\nhint: %s\n' "$1" "$2" >&2; exit 3; }

# --- The image: a newc archive, written here so that neither cpio nor root is needed.

declare -A HAS=()
INODE=1
readonly ARCHIVE=$WORK/initramfs

# entry PATH MODE SIZE [MAJOR MINOR], and no more than the header: the content follows.
entry() {
  local path=$1 length=$((${#1} + 1))
  HAS[/$path]=1
  printf '070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\0' \
    "$INODE" "$2" 0 0 1 0 "$3" 0 0 "${4:-0}" "${5:-0}" "$length" 0 "$path"
  INODE=$((INODE + 1))
  fill $((110 + length))
}
# Up to the next multiple of four.
fill() { case $(($1 % 4)) in 1) printf '\0\0\0' ;; 2) printf '\0\0' ;; 3) printf '\0' ;; esac }

folder() {
  local path=${1#/}
  [ -n "$path" ] && [ -z "${HAS[/$path]:-}" ] || return 0
  parents "$path"
  entry "$path" $((8#40000 | 8#${2:-755})) 0
}
parents() { case $1 in */*) folder "/${1%/*}" ;; esac }
link() {
  local path=${1#/}
  [ -z "${HAS[/$path]:-}" ] || return 0
  parents "$path"
  entry "$path" $((8#120777)) ${#2}
  printf %s "$2"
  fill ${#2}
}
# place FILE PATH: a file of this machine under another path, or its own.
place() {
  local path=${2#/} size mode=644
  [ -z "${HAS[/$path]:-}" ] || return 0
  parents "$path"
  size=$(stat -L -c %s "$1")
  if [ -x "$1" ]; then mode=755; fi
  entry "$path" $((8#100000 | 8#$mode)) "$size"
  cat "$1"
  fill "$size"
}
text() {
  local path=${1#/}
  parents "$path"
  printf '%s\n' "$2" >"$WORK/text"
  if [ "${3:-644}" = 755 ]; then chmod 755 "$WORK/text"; else chmod 644 "$WORK/text"; fi
  place "$WORK/text" "$path"
}

# A file where it lies here, with every symbolic link on the way to it.
copy() {
  local path=$1 done='' rest part target
  rest=${path#/}
  while [ -n "$rest" ]; do
    part=${rest%%/*}
    if [ "$rest" = "$part" ]; then rest=; else rest=${rest#*/}; fi
    if [ -L "$done/$part" ]; then
      target=$(readlink "$done/$part")
      link "$done/$part" "$target"
      case $target in /*) path=$target ;; *) path=$done/$target ;; esac
      copy "$(normal "$path")${rest:+/$rest}"
      return
    fi
    done=$done/$part
  done
  place "$done" "$done"
}
normal() { realpath -s -m "$1"; }
programs() {
  local path
  for path in "$@"; do copy "$path"; done
  libraries "$@"
}
# What the dynamic loader would give these programs.
libraries() {
  local path
  while read -r path; do copy "$path"; done < <({ ldd "$@" 2>/dev/null || true; } | sed -n 's/^\t\(.* => \)\?\(\/[^ ]*\) (0x.*/\2/p' | sort -u)
}

# stripped FILE PATH: a program without its symbols, which are most of it.
stripped() {
  strip -o "$WORK/stripped" "$1"
  place "$WORK/stripped" "$2"
  libraries "$1"
}

# --- The kernel: the one that lmbench's guests boot.

GUEST=
find_kernel() {
  local folder home=${XDG_DATA_HOME:-${HOME:-/nonexistent}/.local/share}
  for folder in "$home/lmbench/guest" /usr/local/share/lmbench/guest; do
    if [ -r "$folder/vmlinuz" ]; then GUEST=$folder && break; fi
  done
  [ -n "$GUEST" ] || lacks "no guest kernel lies in $home/lmbench/guest or /usr/local/share/lmbench/guest" "run harness/setup.sh"
  TREE=$(find "$GUEST/modules" -mindepth 1 -maxdepth 1 -type d | sort | tail -n 1)
  [ -r "$TREE/modules.builtin" ] || lacks "$GUEST/modules has no modules" "run harness/setup.sh"
  KERNEL=$GUEST/vmlinuz
  if [ -r "$GUEST/vmlinux" ]; then KERNEL=$GUEST/vmlinux; fi
  find "$TREE/kernel" -name '*.ko*' >"$WORK/modules"
}

# module NAME FUNCTION: calls FUNCTION PATH OBJECT for it and what it depends on, dependencies first, each once.
declare -A SEEN=()
module() {
  local name=$1 pattern=${1//_/[-_]} path object dependency
  [ -z "${SEEN[$2 $name]:-}" ] || return 0
  SEEN[$2 $name]=1
  ! grep -Eq "/$pattern\.ko$" "$TREE/modules.builtin" || return 0
  path=$(grep -E "/$pattern\.ko(\.[a-z]+)?$" "$WORK/modules" | head -n 1)
  [ -n "$path" ] || lacks "the kernel in $GUEST has no module $name" "run harness/setup.sh on a Debian whose cloud kernel has it"
  object=$WORK/${path##*/}
  case $path in
    *.xz) object=${object%.xz} && xz -dc "$path" >"$object" ;;
    *.zst) object=${object%.zst} && zstd -qdc "$path" >"$object" ;;
    *.gz) object=${object%.gz} && gzip -dc "$path" >"$object" ;;
    *) cp "$path" "$object" ;;
  esac
  while read -r dependency; do module "$dependency" "$2"; done < <(tr '\0' '\n' <"$object" | sed -n 's/^depends=//p' | tr ',-' '\n_' | sed '/^$/d')
  "$2" "$path" "$object"
}
ORDER=()
for_vm() {
  place "$2" "/modules/${2##*/}"
  ORDER+=("/modules/${2##*/}")
}
for_guest() { place "$1" "/usr/local/share/lmbench/guest/modules/${TREE##*/}/${1#"$TREE"/}"; }

image() {
  local name path folder found=()
  for folder in dev proc sys run tmp root results "$PWD/bench" "$PWD/harness" var/empty var/run etc/ssh; do folder "/$folder"; done
  entry dev/console $((8#20600)) 0 5 1
  for name in "${PROGRAMS[@]}"; do found+=("$(type -P "$name")"); done
  for path in /usr/lib{,exec}/openssh/sshd-{session,auth}; do if [ -x "$path" ]; then found+=("$path"); fi; done
  programs "${found[@]}" "$LOADER"
  while read -r folder; do
    for name in "${FIRMWARE[@]}"; do if [ -r "$folder/$name" ]; then copy "$folder/$name"; fi; done
  done < <(qemu-system-x86_64 -L help)
  for path in /usr/lib*/tc/*.dist /usr/lib/*/tc/*.dist /usr/share/qemu/trace-events-all /etc/ssl/openssl.cnf /usr/lib/ssl/openssl.cnf; do if [ -r "$path" ]; then copy "$path"; fi; done
  # Where the tests look for it, whichever it is.
  stripped "$(from "${LMBENCH_VM_PROGRAM:-$PROGRAM}")" "$PROGRAM"
  for path in "${BINARIES[@]}"; do stripped "$path" "$path"; done
  for name in "${MODULES[@]}"; do module "$name" for_vm; done
  for name in "${GUEST_MODULES[@]}"; do module "$name" for_guest; done
  place "$TREE/modules.builtin" "/usr/local/share/lmbench/guest/modules/${TREE##*/}/modules.builtin"
  place "$GUEST/vmlinuz" /usr/local/share/lmbench/guest/vmlinuz
  if [ -r "$GUEST/vmlinux" ]; then place "$GUEST/vmlinux" /usr/local/share/lmbench/guest/vmlinux; fi
  for path in "${FILES[@]}"; do place "$path" "$PWD/$path"; done
  if [ -n "$SCENARIO" ]; then place "$SCENARIO" /scenario.toml; fi
  text /modules/order "${ORDER[*]}"
  text /etc/passwd $'root:x:0:0:root:/root:/bin/sh\nsshd:x:74:74::/run/sshd:/bin/false\nnobody:x:65534:65534:nobody:/tmp:/bin/sh'
  # A star can't be a password's hash, and to sshd it isn't a locked account as an exclamation mark is.
  text /etc/shadow $'root:*:19000:0:99999:7:::\nsshd:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::'
  text /etc/group $'root:x:0:\nsshd:x:74:\nnogroup:x:65534:'
  text /etc/nsswitch.conf $'passwd: files\ngroup: files\nshadow: files\nhosts: files'
  text /etc/hosts '127.0.0.1 localhost vm'
  place "$WORK/job" /job
  place harness/vm/steps /steps
  place harness/vm/init /init
  entry 'TRAILER!!!' 0 0
}

# --- The job, which the VM's /init sources.

BINARIES=()
PROGRAM=
# build TEST...: lmbench and these test binaries, from the build of the whole workspace that the tests have made.
build() {
  local test filters=()
  for test in "$@"; do filters+=(--test "$test"); done
  if [ -n "${LMBENCH_VM_PROGRAM:-}" ] && [ $# = 0 ]; then PROGRAM=$(from "$LMBENCH_VM_PROGRAM") && return; fi
  say "building what the VM runs, unless it is there"
  compile build --bin lmbench >"$WORK/built"
  if [ $# -gt 0 ]; then compile test --no-run "${filters[@]}" >>"$WORK/built"; fi
  PROGRAM=$(executable lmbench)
  for test in "$@"; do
    BINARIES+=("$(executable "$test")")
    [ -n "${BINARIES[-1]}" ] || { say "no tests are called $test: see bench/tests and harness/tests"; exit 2; }
  done
}
compile() { cargo "$1" --workspace --quiet --message-format=json "${@:2}" || { say "the build failed"; exit 1; }; }
executable() { sed -n "s/.*\"name\":\"$1\".*\"executable\":\"\([^\"]*\)\".*/\1/p" "$WORK/built" | tail -n 1; }

# step NAME COMMAND...
STEPS=0
step() {
  local IFS=' '
  STEPS=$((STEPS + 1))
  printf 'step %s\n' "${*@Q}" >>"$WORK/job"
}
tests() {
  local name=$1 binary
  shift
  binary=$(executable "$name")
  step "${*:-all} of $name" "$binary" --nocapture -Z unstable-options --report-time "$@"
}

job() {
  local scenario
  printf 'cd %q\n' "$PWD/bench" >"$WORK/job"
  case ${1:-} in
    '')
      build netem lab guests
      tests netem
      tests lab delay_is_there hosts_reach
      tests guests kvm::
      ;;
    --test)
      [ $# -gt 1 ] || { say "--test needs the name of a test binary"; exit 2; }
      shift
      build "$1"
      # Some tests read files that lie beside them, or scenarios.
      mapfile -t FILES < <(find bench/tests harness/tests scenarios docs README.md -type f)
      tests "$@"
      ;;
    -*) say "$1 is no option: see the head of this script"; exit 2 ;;
    *)
      scenario=$(from "$1")
      [ -r "$scenario" ] || { say "$1 can't be read"; exit 2; }
      shift
      build
      SCENARIO=$scenario
      step "$scenario" scenario "$PROGRAM" run /scenario.toml --out /results --format json "$@"
      ;;
  esac
}

# --- The VM.

# Without ERMS and FSRM, by which libraries and kernels would copy with `rep movsb`, which is translated byte by byte; and without the fifth
# level of page tables, which is walked by the translator too.
boot() {
  local options=(-nodefaults -no-user-config -no-reboot -display none -M q35 -accel tcg,thread=multi -cpu max,+svm,+npt,-erms,-fsrm,-la57 -smp 2 -m "$MEMORY"
    -kernel "$KERNEL" -initrd "$ARCHIVE"
    -append "console=ttyS0 quiet panic=-1 mitigations=off nokaslr tsc=reliable cryptomgr.notests random.trust_cpu=on rcupdate.rcu_expedited=1 initcall_blacklist=jent_mod_init,load_system_certificate_list,trace_eval_init"
    -serial "file:$OUT/console" -device virtio-serial-pci)
  for port in log files; do options+=(-chardev "file,id=$port,path=$OUT/$port" -device "virtserialport,chardev=$port,name=$port"); done
  : >"$OUT/log"
  # Whatever ends first takes the rest with it: this script, the deadline, the VM.
  setpriv --pdeathsig KILL timeout --foreground --signal=KILL "$SECONDS_MAX" \
    setpriv --pdeathsig KILL qemu-system-x86_64 "${options[@]}" &
  VM=$!
  setpriv --pdeathsig KILL tail -f --pid="$VM" -s 0.3 -n +1 "$OUT/log" &
  wait "$VM" || true
  if [ $((SECONDS - began)) -ge "$SECONDS_MAX" ]; then LATE=1; fi
  VM=
  wait
}

fail() {
  printf '\nerror: %s\n' "$1" >&2
  printf -- '-- the end of the console (%s)\n' "$OUT/console" >&2
  tail -n 25 "$OUT/console" >&2 || true
  exit 1
}
judge() {
  if [ -n "$LATE" ]; then fail "the VM was killed: it was not done within $SECONDS_MAX s (LMBENCH_VM_SECONDS)"; fi
  if grep -a '^vm: FAILED' "$OUT/log" >"$WORK/failed"; then fail "$(head -n 1 "$WORK/failed")"; fi
  grep -aqx 'vm: all is done' "$OUT/log" || fail "the VM ended before its job did"
  [ "$(grep -ac '^vm: ok' "$OUT/log")" = "$STEPS" ] || fail "$STEPS steps were to be done, and the log tells of others"
}

[ "$(uname -m)" = x86_64 ] || lacks "the VM is x86-64's, and this is $(uname -m)" "run it on x86-64"
for name in qemu-system-x86_64 setpriv xz ldd strip tar "${PROGRAMS[@]}"; do
  [ -n "$(type -P "$name")" ] || lacks "$name is not on PATH" "run harness/setup.sh"
done
LOADER=$(type -P insmod || type -P perl) || lacks "neither insmod nor perl is on PATH, and the VM loads modules by one of them" "install kmod"
qemu-system-x86_64 -accel help | grep -qx tcg || lacks "this QEMU has no TCG" "install a QEMU that has it; harness/setup.sh installs one"
find_kernel
job "$@"
OUT=$PWD/results/vm-$(date -u +%Y%m%d-%H%M%S)
if [ -n "${LMBENCH_VM_OUT:-}" ]; then OUT=$(from "$LMBENCH_VM_OUT"); fi
mkdir -p "$OUT"
say "building the image"
image >"$ARCHIVE"
say "starting the VM; its log, console and records go to $OUT"
began=$SECONDS
boot
tar -C "$OUT" -xf "$OUT/files" 2>/dev/null || true
rm -f "$OUT/files"
judge
say "all went well: $STEPS steps in $((SECONDS - began)) s"
