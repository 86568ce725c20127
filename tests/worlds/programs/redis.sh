# A server, a load that never ends, and a client that watches: all inside, so that every connection has
# both its ends here. usage: redis.sh PORT PYTHON PROGRAMS
redis-server --port "$1" --bind 127.0.0.1 --save '' --dir . >redis.log 2>&1 &
until [ "$(redis-cli -p "$1" PING 2>/dev/null)" = PONG ]; do sleep 0.05; done
redis-benchmark -p "$1" -q -t set -n 20000 -r 10000 -c 10 -P 20 >/dev/null
# One connection and pauses: a load, but other tests run on this machine too.
(while redis-benchmark -p "$1" -q -t set,get,lpush,lpop -n 2000 -r 10000 -c 5 >/dev/null 2>bench.err &&
	sleep 0.05; do :; done; echo "bad redis-benchmark: $(cat bench.err)") &
"$2" -u "$3/redis_client.py" "$1"
echo "bad client"
