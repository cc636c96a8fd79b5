#!/usr/bin/env bash
# Runs all tests of the workspace and says at the end what ran on real guests, networks and servers, what was skipped and why, and what
# took longest. Arguments go to `cargo test`: `harness/test.sh -p lmbench-transport`, `harness/test.sh --test guests recovery::`.
# Tests run side by side; those that measure take turns (harness/testing). One that fails does not keep the others from running.
# LMBENCH_TEST_AGAIN=1 runs those that failed a second time, one by one: a machine that stands still for a second fails no test twice.
# What passed only then is told.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LMBENCH_TEST_JOURNAL=$work/journal
: >"$LMBENCH_TEST_JOURNAL"
# Live tests wait for much of their time: for a link, for a boot's other half.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$(($(nproc) * 3 / 2))}
[ $# -gt 0 ] || set -- --workspace
case " $* " in *' --test '* | *' --lib '* | *' --bin '* | *' --benches '*) ;; *) set -- --lib --bins --tests "$@" ;; esac
case " $* " in *' -- '*) ;; *) set -- "$@" -- ;; esac

# libtest prints how long a test took only where unstable options are allowed. The runner allows them to the tests alone: what is compiled
# stays the same.
run() { cargo test --no-fail-fast --config "target.'cfg(unix)'.runner = ['env', 'RUSTC_BOOTSTRAP=1']" "$@" -Z unstable-options --report-time 2>&1; }
status=0
run "$@" | tee "$work/log" || status=$?

# The tests that failed, and the targets that they are in, as cargo names them: `-p lmbench --test guests`.
sed -nE 's/^test (.*) \.\.\. FAILED.*/\1/p' "$work/log" | sort -u >"$work/failed"
if [ $status != 0 ] && [ "${LMBENCH_TEST_AGAIN:-0}" = 1 ] && ! grep -q '(signal: ' "$work/log"; then
  printf '\n== once more, one by one: %s\n' "$(paste -sd ' ' "$work/failed")"
  sed -nE 's/^ +`(-p .*)`$/\1/p' "$work/log" >"$work/targets"
  [ ! -s "$work/targets" ] || status=0
  while IFS= read -r target; do
    # shellcheck disable=SC2046,SC2086
    run $target -- --exact $(cat "$work/failed") --test-threads=1 </dev/null | tee "$work/target" || status=1
    grep -q '^test .* ok' "$work/target" || status=1
    cat "$work/target" >>"$work/again"
  done <"$work/targets"
fi

printf '\n== ten slowest tests\n'
# Of a live test what it took once its turn had come.
sed -nE 's/^test (.*) \.\.\. (ok|FAILED) <([0-9.]+)s>$/\1\t\3/p' "$work/log" \
  | awk -F'\t' 'NR == FNR { if ($1 == "ran") { sub(/^[^ ]* /, "", $2); took[$2] = $3 } next }
      { printf "%7.1f s  %s\n", ($1 in took) ? took[$1] : $2, $1 }' "$LMBENCH_TEST_JOURNAL" - | sort -rn | sed -n 1,10p

# A test that left out only a part of itself has run.
ran=$(awk -F'\t' '$1 == "ran" { print $2 }' "$LMBENCH_TEST_JOURNAL" | sort -u)
skipped=$(awk -F'\t' '$1 == "skipped" { print $2 }' "$LMBENCH_TEST_JOURNAL" | sort -u | comm -23 - <(printf '%s\n' "$ran"))
lines() { grep -c . <<<"$1" || true; }
printf '\n== live tests: %s ran, %s skipped\n' "$(lines "$ran")" "$(lines "$skipped")"
# By reason; the names, unless all were to be left out.
awk -F'\t' '$1 == "skipped" && !seen[$2, $3]++ { number[$3]++; if ($3 !~ /^LMBENCH_/) names[$3] = names[$3] "\n          " $2 }
  END { for (reason in number) printf "SKIPPED, %s (%d)%s\n", reason, number[reason], names[reason] }' "$LMBENCH_TEST_JOURNAL"
awk -F'\t' '$1 == "not proven" && !seen[$0]++ { printf "NOT PROVEN on this machine, %s: %s\n", $2, $3 }' "$LMBENCH_TEST_JOURNAL"
# libtest prints why a test failed right after that binary's tests, which may be thousands of lines above.
why() { awk -v most=12 '/^---- .* stdout ----$/ { left = most } left > 0 { print; left-- }' "$1"; }
if [ -s "$work/failed" ]; then
  printf '\n== failed\n'
  why "$work/log"
fi
if [ -e "$work/again" ]; then
  printf '\n== of these, run again alone\n'
  sed -nE 's/^test (.*) \.\.\. ok.*/passed  \1/p; s/^test (.*) \.\.\. FAILED.*/FAILED  \1/p' "$work/again"
  why "$work/again"
fi
awk -v skipped="$(lines "$skipped")" '/^test result:/ { passed += $4; failed += $6 }
  END { printf "\n%d passed, %d failed, %d skipped\n", passed - skipped, failed, skipped }' "$work/log"
exit "$status"
