load setup.bash

# 1 sh ─┬─ 2 sleep, in session 2
#       └─ 3 sh ── 4 sleep
prepare() {
	pidspace run -d web -- sh -c 'setsid sleep 1001 & sh -c "sleep 1002 & wait" & wait'
	four() { [[ $(pidspace ps web -o comm 2>/dev/null | grep -c sleep) == 2 ]]; }
	wait_for four
}

@test "a line each, with both numbers" {
	run -0 pidspace ps --show-container web
	echo "$output"
	[[ ${#lines[@]} == 5 ]]
	read -ra title <<<"${lines[0]}"
	[[ ${title[*]} == "PID HOST PPID PGID SID S CPU RSS START COMMAND" ]]
	read -r pid host ppid pgid sid state cpu rss start command <<<"${lines[1]}"
	[[ $pid == 1 && $ppid == 0 && $pgid == 1 && $sid == 1 && $state == S ]]
	[[ $host == $(pidspace pid web 1) && $command == "sh -c setsid"* ]]
	[[ $cpu =~ ^[0-9]+:[0-9][0-9]\.[0-9][0-9]$ && $rss =~ ^[0-9.]+[BKMG]$ && $start =~ ^..:..:..$ ]]
	read -r pid host ppid pgid sid rest <<<"${lines[2]}"
	[[ $ppid == 1 && $pgid == "$pid" && $sid == "$pid" ]]
	kill -0 "$host"
}

@test "columns of one's choice, aligned" {
	run -0 pidspace ps web -o pid,comm,ppid
	[[ ${lines[0]} == "PID  COMM   PPID" ]]
	[[ ${lines[1]} == "  1  sh        0" ]]
	run -0 pidspace ps web -o CONTAINER,THREADS,UID,COMM
	[[ ${lines[1]} == *web*1*"$(id -u)"*sh ]]
	run -0 pidspace ps web -o command
	[[ ${lines[0]} == COMMAND ]]
	[[ $output == *"sleep 1002"* ]]
}

@test "as a tree" {
	run -0 pidspace ps --tree web -o pid,command
	echo "$output"
	[[ ${#lines[@]} == 5 ]]
	[[ ${lines[1]} == *"1  sh -c setsid"* ]]
	[[ $output == *"|- sleep 1001"* || $output == *"\`- sleep 1001"* ]]
	[[ $output =~ ("|  "|"   ")"\`- sleep 1002" ]]
}

@test "what was started from outside is a root of its own" {
	pidspace exec -d web -- sleep 1003
	run -0 pidspace ps --tree web -o ppid,command
	[[ $(grep -c '^ *0  [a-z]' <<<"$output") == 2 ]]
	[[ $output == *"  sleep 1003"* && $output != *"- sleep 1003"* ]]
}

@test "as JSON" {
	pidspace ps web -f json >out
	[[ $(json 'len(j)' <out) == 4 ]]
	[[ $(json '[p["ppid"] for p in j if p["pid"] == 1]' <out) == "[0]" ]]
	[[ $(json 'sorted(p["command"] for p in j if p["comm"] == "sleep")' <out) == '["sleep 1001", "sleep 1002"]' ]]
	[[ $(json 'all(p["host_pid"] > 0 and p["rss_bytes"] > 0 and p["threads"] == 1 and p["container"] == "web" for p in j)' <out) == true ]]
	[[ $(json 'all(abs(__import__("time").time() - p["start_ns"] / 1e9) < 100 for p in j)' <out) == true ]]
	[[ $(json 'j[0]["start"]' <out) =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z$ ]]
}

@test "threads, one line each" {
	pidspace exec -d web -- python3 -c '
import threading, time
for i in range(3):
    threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
time.sleep(1000)'
	five() { [[ $(pidspace ps web --threads -o comm | grep -c python) == 4 ]]; }
	wait_for five
	run -0 pidspace ps web -T -o pid,tid,host,threads,comm
	[[ $(grep -c python <<<"$output") == 4 ]]
	pid=$(pidspace ps web -f json | json '[p["pid"] for p in j if p["comm"].startswith("python")][0]')
	[[ $(awk -v p="$pid" '$1 == p' <<<"$output" | wc -l) == 4 ]]
	[[ $(awk -v p="$pid" '$1 == p { print $2 }' <<<"$output" | sort -u | wc -l) == 4 ]]
	# The host's numbers are those of the threads.
	host=$(pidspace pid web "$pid")
	[[ $(awk -v p="$pid" '$1 == p { print $3 }' <<<"$output" | sort -n | tr '\n' ' ') == $(ls "/proc/$host/task" | sort -n | tr '\n' ' ') ]]
	run -0 pidspace ps web --threads --tree -o tid,comm
	[[ $(grep -c -- '- python' <<<"$output") == 3 ]]
}

@test "all of the caller's containers, by name" {
	steady second
	run -0 pidspace ps
	[[ ${lines[0]} == CONTAINER* ]]
	[[ $(awk 'NR > 1 { print $1 }' <<<"$output" | uniq | tr '\n' ' ') == "second web " ]]
	run -0 pidspace ps --show-container web --show-container second -o container
	[[ ${lines[1]} == web && ${lines[-1]} == second ]]
	fails 125 E_NO_CONTAINER pidspace ps web nobody
}

@test "none at all" {
	pidspace delete -f web
	run -0 pidspace ps
	[[ ${#lines[@]} == 1 && ${lines[0]} == CONTAINER* ]]
	[[ $(pidspace ps -f json | json 'j') == "[]" ]]
}

@test "one that has ended" {
	pidspace kill -s KILL web
	run -137 pidspace wait web
	fails 125 E_STOPPED pidspace ps web
	run -0 pidspace ps
	[[ ${#lines[@]} == 1 ]]
}

@test "names of processes cannot talk to the terminal or break JSON" {
	pidspace exec -d web -- bash -c 'exec -a "$(printf "evil\033[31m\nname\377")" sleep 1004'
	renamed() { [[ $(pidspace ps web -o command) == *evil* ]]; }
	wait_for renamed # bash is executed first
	run -0 pidspace ps web -o command
	[[ $output == *"evil?[31m?name"* && $output != *$'\033'* ]]
	[[ $(pidspace ps web -f json | json '[p["command"] for p in j if "1004" in p["command"]][0].startswith("evil\x1b[31m\nname\ufffd")') == true ]]
}

@test "a thousand that come and go" {
	pidspace exec -d web -- sh -c 'while :; do /bin/true; done'
	for i in 1 2 3 4 5 6 7 8 9 10; do
		run -0 pidspace ps web --threads
		[[ ${lines[1]} == *"sh"* ]]
	done
}

@test "on a terminal lines are cut at its width" {
	pidspace exec -d web -- sh -c "sleep 1005 # $(printf 'x%.0s' {1..300})"
	run -0 pidspace ps web -o pid,command
	[[ $output == *xxxxxxxxxx* ]]
	run -0 "$BATS_TEST_DIRNAME/drive_pty.py" end -- "$PIDSPACE" --root "$STATE" ps web -o pid,command
	while IFS= read -r line; do
		line=${line%$'\r'}
		[[ ${#line} -le 80 ]]
	done <<<"$output"
	[[ $output == *"sleep 1005"* ]]
}
