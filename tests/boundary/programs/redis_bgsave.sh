# redis-server forks a child that saves, and sees it end.
set -eu
command -v redis-server >/dev/null || exit 77
socket=$BD_DIR/redis
redis-server --port 0 --unixsocket "$socket" --dir "$BD_DIR" --save '' --logfile "$BD_DIR/redis.log" &
server=$!
ask() { redis-cli -s "$socket" "$@" 2>/dev/null | tr -d '\r'; }
until [ "$(ask ping)" = PONG ]; do kill -0 $server; sleep 0.02; done
[ "$(ask info server | sed -n 's/^process_id://p')" = $server ]
ask set key value >/dev/null
ask bgsave >/dev/null
until [ "$(ask info persistence | sed -n 's/^rdb_bgsave_in_progress://p')" = 0 ]; do sleep 0.02; done
[ "$(ask info persistence | sed -n 's/^rdb_last_bgsave_status://p')" = ok ]
[ -s "$BD_DIR/dump.rdb" ]
ask shutdown nosave || true
wait $server
