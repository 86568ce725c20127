load setup.bash

@test "list shows what there is, stopped ones too" {
	steady web
	pidspace run done -- sh -c 'exit 3' || [[ $? == 3 ]]
	run -0 pidspace list
	[[ ${lines[0]} == NAME*STATE*PIDS*HOST*TASKS*CREATED*COMMAND ]]
	[[ ${lines[1]} == done*stopped*"${PIDSPACE_PIDS:-space}"*-*0*"sh -c exit 3" ]]
	[[ ${lines[2]} == web*running*"${PIDSPACE_PIDS:-space}"*"$(pidspace pid web 1)"*2*sh* ]]
	[[ $(pidspace list -q) == done$'\n'web ]]
	pidspace list -f json >out
	[[ $(json '[c["name"] for c in j]' <out) == '["done", "web"]' ]]
	[[ $(json 'j[0]["state"] + " " + str(j[0]["exit_status"])' <out) == "stopped 3" ]]
	[[ $(json 'abs(__import__("time").time() - j[1]["created_ns"] / 1e9) < 100' <out) == true ]]
}

@test "state says what is known of one" {
	steady web
	run -0 pidspace state web
	[[ $output == *"name:      web"* && $output == *"state:     running"* && $output == *"log:       $STATE/web/log"* ]]
	pidspace state web -f json >out
	[[ $(json 'j["host_pid"]' <out) == $(pidspace pid web 1) ]]
	[[ $(json 'j["tasks"]' <out) == 2 ]]
	kill -0 "$(json 'j["monitor_host_pid"]' <out)"
	[[ $(json 'j["pids"]' <out) == "${PIDSPACE_PIDS:-space}" ]]
	[[ $(json 'j["user_namespace"]' <out) == $(is_root || [[ ${PIDSPACE_PIDS:-} == virtual ]] && echo false || echo true) ]]
}

@test "kill: by the container's own numbers, names in any form" {
	steady web
	pidspace kill -s usr1 web
	wait_for log_has web usr1
	pidspace kill --signal SIGUSR1 web 1
	twice() { [[ $(pidspace log web | grep -c usr1) == "$1" ]]; }
	wait_for twice 2
	pidspace kill -s 10 web 1
	wait_for twice 3
	pidspace kill -s 0 web
	child=$(pidspace ps web -f json | json '[p["pid"] for p in j if p["comm"] == "sleep"][0]')
	pidspace kill -s KILL web "$child"
	other() { ! has_process web "$child"; }
	wait_for other
	is_state web running
	fails 125 E_NO_SUCH_PID pidspace kill web 4000000
	[[ $stderr == *4000000* ]]
	pidspace kill web
	run -9 pidspace wait web
	fails 125 E_STOPPED pidspace kill web
}

@test "kill reaches several, and all" {
	pidspace run -d --init many -- sh -c 'for i in 1 2 3; do sleep 100$i & done; trap "" TERM; echo up; wait; wait; wait; wait; sleep 2000'
	wait_for log_has many up
	three() { [[ $(pidspace ps many -o command | grep -c "^sleep 100") == "$1" ]]; }
	wait_for three 3
	pids=$(pidspace ps many -f json | json '" ".join(str(p["pid"]) for p in j if "sleep 100" in p["command"] and not "1003" in p["command"] and p["comm"] == "sleep")')
	pidspace kill -s KILL many $pids
	wait_for three 1
	pidspace kill -a -s KILL many
	run -137 pidspace wait many
}

@test "a signal to pid 1 that it does not handle is dropped, KILL is not" {
	pidspace run -d web -- sleep 1000
	pidspace kill web
	is_state web running
	pidspace kill -s KILL web
	run -137 pidspace wait web
}

@test "no signal leaves the container" {
	sleep 1000 3>&- &
	PIDS+=($!)
	steady web
	fails 125 E_NO_SUCH_PID pidspace kill -s KILL web $!
	kill -0 $!
}

@test "pause and resume" {
	pidspace run -d web -- sh -c 'i=0; while :; do i=$((i + 1)); echo $i >"$0"; done' "$TMP/count"
	wait_for test -s count
	pidspace pause web
	is_state web paused
	[[ $(pidspace list) == *paused* ]]
	# Nothing runs: the processor time does not grow.
	cpu() { pidspace ps web -f json | json 'sum(p["cpu_ns"] for p in j)'; }
	one=$(cpu)
	sleep 0.3
	[[ $(cpu) == "$one" ]]
	before=$(<count)
	pidspace resume web
	is_state web running
	grows() { [[ -s count && $(<count) != "$before" ]]; }
	wait_for grows
}

@test "pausing twice, resuming what runs, killing what is paused" {
	steady web
	pidspace pause web
	run pidspace pause web
	[[ $status == 0 || $output == *E_* ]]
	is_state web paused
	pidspace kill -s KILL web
	run -137 pidspace wait web
	run pidspace resume web
	[[ $status == 125 ]]
	fails 125 E_STOPPED pidspace pause web
	pidspace delete web
}

@test "a paused one can be deleted with force" {
	steady web
	pidspace pause web
	pidspace delete -f web
	[[ -z $(pidspace list -q) ]]
}

@test "wait returns how it ended, at once or later" {
	steady web
	background wait web
	waiter=$!
	kill -0 $waiter
	pidspace kill web
	status=0
	wait $waiter || status=$?
	[[ $status == 9 ]]
	run -9 pidspace wait web
	pidspace run gone -- sh -c 'exit 200' || true
	run -200 pidspace wait gone
}

@test "several may wait" {
	steady web
	for i in 1 2 3; do
		background wait web
	done
	pidspace kill web
	for pid in "${PIDS[@]}"; do
		status=0
		wait "$pid" || status=$?
		[[ $status == 9 ]]
	done
}

@test "delete: only what has ended, unless forced" {
	steady web
	fails 125 E_RUNNING pidspace delete web
	is_state web running
	host=$(pidspace pid web 1)
	pidspace delete -f web
	fails 125 E_NO_CONTAINER pidspace state web
	wait_for gone "$host"
	[[ -z $(ls -A "$STATE") ]]
	fails 125 E_NO_CONTAINER pidspace delete web
}

@test "delete takes several names and goes on after one that fails" {
	pidspace run one -- true
	pidspace run two -- true
	fails 125 E_NO_CONTAINER pidspace delete one none two
	[[ -z $(pidspace list -q) ]]
}

@test "log -f goes on until the end" {
	mkfifo go
	pidspace run -d web -- sh -c 'echo first; read x <"$0"; echo "$x"; exit 3' "$TMP/go"
	background log -f web >followed
	follower=$!
	wait_for file_has followed first
	kill -0 $follower
	echo second >go
	wait $follower
	[[ $(<followed) == first$'\n'second ]]
	[[ $(pidspace log web) == first$'\n'second ]]
}

@test "a log of any bytes" {
	head -c 300000 /dev/urandom >in
	pidspace run -d web -- cat "$TMP/in"
	pidspace wait web
	pidspace log web >out
	cmp in out
}

@test "a foreground container has no log" {
	pidspace run web -- echo x
	fails 125 E_NO_LOG pidspace log web
}

@test "pids translate both ways" {
	steady web
	child=$(pidspace ps web -f json | json '[p["pid"] for p in j if p["comm"] == "sleep"][0]')
	host=$(pidspace pid web "$child")
	[[ $(tr '\0' ' ' <"/proc/$host/cmdline") == "sleep 1000 " ]]
	[[ $(pidspace pid --host "$host") == "web $child" ]]
	[[ $(pidspace pid --host "$(pidspace pid web 1)") == "web 1" ]]
	fails 125 E_NO_SUCH_PID pidspace pid web 4000000
	fails 125 E_NO_SUCH_PID pidspace pid --host $$
	pidspace kill web
	run -9 pidspace wait web
	fails 125 E_STOPPED pidspace pid web 1
}

@test "the container survives its monitor, and every command goes on" {
	steady web
	monitor=$(pidspace state web -f json | json 'j["monitor_host_pid"]')
	host=$(pidspace pid web 1)
	kill -KILL "$monitor"
	wait_for gone "$monitor"
	kill -0 "$host"
	is_state web running
	[[ $(pidspace pid web 1) == "$host" ]]
	pidspace kill -s USR1 web
	wait_for log_has web usr1
	run -0 pidspace ps web -o comm
	[[ $output == *sleep* ]]
	run -0 pidspace exec web -- echo hello
	[[ $output == hello ]]
	pidspace pause web
	is_state web paused
	pidspace resume web
	pidspace kill web
	if pidspace check | grep -q '^PIDFD_GET_INFO exit *yes'; then
		run -9 pidspace wait web
	else
		pidspace wait web || true
	fi
	is_state web stopped
	pidspace delete web
}

@test "a foreground container's program gets SIGHUP or goes on when its monitor is killed" {
	background run web -- sh -c 'echo up; while :; do sleep 1000 & wait $!; done' >out
	wait_for file_has out up
	host=$(pidspace pid web 1)
	kill -KILL $!
	wait $! || true
	run -0 pidspace state web
	[[ $output == *running* || $output == *stopped* ]]
	pidspace delete -f web
	wait_for gone "$host"
}

@test "an entry whose container died with its monitor reads as stopped and can be deleted" {
	steady web
	monitor=$(pidspace state web -f json | json 'j["monitor_host_pid"]')
	host=$(pidspace pid web 1)
	kill -STOP "$monitor"
	kill -KILL "$host"
	kill -KILL "$monitor"
	wait_for gone "$host"
	wait_for gone "$monitor"
	is_state web stopped
	fails 125 E_STOPPED pidspace exec web -- true
	fails 125 E_NAME_IN_USE pidspace run web -- true
	pidspace delete web
	[[ -z $(pidspace list -q) ]]
}

@test "with --rm such an entry gives its name back" {
	steady web --rm
	monitor=$(pidspace state web -f json | json 'j["monitor_host_pid"]')
	host=$(pidspace pid web 1)
	kill -STOP "$monitor"
	kill -KILL "$host"
	kill -KILL "$monitor"
	wait_for gone "$host"
	wait_for gone "$monitor"
	run -0 pidspace run --rm web -- echo again
	[[ $output == again ]]
}

@test "rubbish in the state directory disturbs nobody" {
	steady web
	mkdir "$STATE/half" "$STATE/rubbish"
	echo '{"not": "ours"' >"$STATE/rubbish/state.json"
	: >"$STATE/file"
	[[ $(pidspace list -q | grep -cx web) == 1 ]]
	run -125 --separate-stderr pidspace state rubbish
	[[ $stderr == *E_STATE* ]]
	rm -r "$STATE/half" "$STATE/rubbish" "$STATE/file"
}

@test "an entry whose creator died before it was published can be deleted" {
	steady web
	mkdir "$STATE/half"
	run -125 --separate-stderr pidspace state half
	[[ $stderr == *E_STARTING* ]]
	run -0 pidspace delete half
	[[ ! -e $STATE/half ]]
}
