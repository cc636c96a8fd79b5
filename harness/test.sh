#!/usr/bin/env bash
# Runs all tests of the workspace and says at the end what ran on real guests, networks and servers, what was skipped and why, and what
# took longest. Arguments go to `cargo test`: `harness/test.sh -p lmbench-transport`, `harness/test.sh --test guests recovery::`.
# Tests run side by side; those that measure take turns (harness/testing). One that fails does not keep the others from running.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LMBENCH_TEST_JOURNAL=$work/journal
: >"$LMBENCH_TEST_JOURNAL"
[ $# -gt 0 ] || set -- --workspace
case " $* " in *' --test '* | *' --lib '* | *' --bin '* | *' --benches '*) ;; *) set -- --lib --bins --tests "$@" ;; esac
case " $* " in *' -- '*) ;; *) set -- "$@" -- ;; esac

# libtest prints how long a test took only where unstable options are allowed. The runner allows them to the tests alone: what is compiled
# stays the same.
status=0
cargo test --no-fail-fast --config "target.'cfg(unix)'.runner = ['env', 'RUSTC_BOOTSTRAP=1']" "$@" \
  -Z unstable-options --report-time 2>&1 | tee "$work/log" || status=$?

count() { grep -c "^$1" "$LMBENCH_TEST_JOURNAL" || true; }
printf '\n== ten slowest tests\n'
sed -nE 's/^test (.*) \.\.\. (ok|FAILED) <([0-9.]+)s>$/\3 s  \1/p' "$work/log" | sort -rn | head -n 10
printf '\n== live: %s ran, %s skipped\n' "$(count ran)" "$(count skipped)"
sed -nE 's/^skipped\t([^\t]*)\t(.*)/SKIPPED \1: \2/p' "$LMBENCH_TEST_JOURNAL"
grep '^NOT PROVEN' "$work/log" || true
awk '/^test result:/ { passed += $4; failed += $6; ignored += $8 } END { printf "\n%d passed, %d failed, %d skipped\n", passed, failed, ignored }' "$work/log"
exit "$status"
