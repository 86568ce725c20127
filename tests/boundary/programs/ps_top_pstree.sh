# ps, top, pstree, pgrep, kill and ls /proc name the container's processes and no others.
set -eu
sleep 1001 & a=$!
sleep 1001 & b=$!
trap 'kill $a $b' EXIT
expected=$(printf '%s\n' 1 $$ $a $b | sort -nu)

# Of a list of numbers: those expected, and besides only what was begun since.
check() {
	for pid in $expected; do grep -qx "$pid" <<<"$2" || { echo "$1: $pid is missing in: $2"; exit 1; }; done
	for pid in $2; do
		[ "$pid" -lt 3000 ] || { echo "$1 shows $pid"; exit 1; }
		for o in $BD_OUTSIDE; do [ "$pid" != "$o" ] || { echo "$1 shows $pid"; exit 1; }; done
	done
	[ "$(wc -w <<<"$2")" -le 12 ] || { echo "$1 shows too many: $2"; exit 1; }
}
check ps "$(ps -eo pid= | tr -d ' ')"
check 'ls /proc' "$(ls /proc | grep -x '[0-9]*')"
check top "$(top -b -n 1 | awk 'f { print $1 } /PID/ { f = 1 }')"
check pstree "$(pstree -p 1 | grep -o '([0-9]*)' | tr -d '()'; echo 1)"
[ "$(pgrep -x sleep | tr '\n' ' ')" = "$a $b " ] || { echo "pgrep: $(pgrep -x sleep)"; exit 1; }
read -r pid ppid pgid sid < <(ps -o pid=,ppid=,pgid=,sid= -p $a)
[ "$pid $ppid" = "$a $$" ] || { echo "ps: $pid $ppid"; exit 1; }
[ "$pgid $sid" = "$(cut -d' ' -f5,6 /proc/$$/stat)" ] || { echo "ps: group $pgid, session $sid"; exit 1; }
kill -0 $a
for o in $BD_OUTSIDE; do
	! kill -0 "$o" 2>/dev/null || { echo "kill -0 $o succeeds"; exit 1; }
	! ps -p "$o" >/dev/null || { echo "ps -p $o succeeds"; exit 1; }
done
kill $b
status=0; wait $b || status=$?
[ $status = 143 ] || { echo "status $status"; exit 1; }
b=
