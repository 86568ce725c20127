# Pipelines, command substitution and background loops of a static shell. usage: busybox.sh BUSYBOX
i=0
while :; do i=$((i + 1)); echo $i; usleep 20000; done |
	while read -r x; do echo "x$x"; done |
	"$1" awk '{ print substr($0, 2); fflush() }' |
	while read -r x; do echo "tick pipe $x"; done &
i=0
while :; do
	i=$((i + 1))
	n=$(seq 1 $i | tail -n 1 | cat)
	[ "$n" = $i ] || echo "bad substitution: '$n' at $i"
	echo "tick subst $i"
	usleep 20000
done &
i=0
while :; do
	i=$((i + 1))
	sleep 0.02 || echo "bad sleep: $?"
	[ $$ = 1 ] || echo "bad pid $$"
	echo "tick loop $i"
done
