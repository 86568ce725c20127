# A static program sees the container's numbers.
set -eu
command -v busybox >/dev/null || exit 77
[ "$(busybox sh -c 'echo $PPID')" = $$ ] || { echo "ppid of busybox is not $$"; exit 1; }
busybox ps -o pid | busybox awk 'NR > 1 && $1 >= 3000 { print "busybox ps shows " $1; exit 1 }'
set -- $BD_OUTSIDE
! busybox kill -0 "$1" 2>/dev/null || { echo "kill -0 $1 succeeds"; exit 1; }
