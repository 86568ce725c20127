# strace and gdb work or say EPERM; they do not hang.
set -eu
found=
if command -v strace >/dev/null; then
	found=1
	status=0
	timeout 20 strace -f -o "$BD_DIR/trace" sh -c 'sh -c true; exit 3' 2>"$BD_DIR/said" || status=$?
	[ $status = 3 ] || grep -qi 'not permitted' "$BD_DIR/said" || { echo "strace: $status"; cat "$BD_DIR/said"; exit 1; }
fi
if command -v gdb >/dev/null; then
	found=1
	status=0
	timeout 40 gdb -nx -batch -ex run -ex 'info inferiors' --args true >"$BD_DIR/said" 2>&1 </dev/null || status=$?
	[ $status != 124 ] || { echo "gdb hangs"; exit 1; }
	grep -qiE 'exited normally|not permitted' "$BD_DIR/said" || { cat "$BD_DIR/said"; exit 1; }
fi
[ -n "$found" ] || exit 77
