# bats file_tags=virtual
# What is particular to containers with virtual pids.
load setup.bash

boxed() { # MODE COMMAND...: where a sandbox denies system calls
	"$BATS_TEST_DIRNAME/../../build/tests/boxed/boxed" "$@"
}

# No PID namespaces for whoever runs the tests.
no_namespaces() {
	is_root && echo docker || echo no-userns
}

virtual_steady() { # NAME [OPTION...]
	steady "$1" --pids=virtual "${@:2}"
}

# The host's number of a container's hidden process.
keeper() { # NAME warden|spawn
	local pid
	for pid in $(pgrep -u "$(id -u)" "^pidspace-$2"); do
		# Both have state.json's numbers: the warden is there by name, the spawner a child of vpid 1.
		if [[ $2 == warden ]]; then
			grep -q "\"warden_host_pid\": *$pid\b" "$STATE/$1/state.json" && echo "$pid"
		else
			[[ $(sed 's/.*) //' "/proc/$pid/stat" | cut -d' ' -f2) == $(pidspace pid "$1" 1) ]] && echo "$pid"
		fi
	done
	return 0
}

host_pids() { # NAME: of all its processes
	pidspace ps "$1" -o host | tail -n +2
}

all_gone() { # HOST PID...
	local pid
	for pid; do gone "$pid" || return 1; done
}

@test "options that need a namespace are refused" {
	for option in --map-root --hostname=x --rootfs="$TMP"; do
		fails 125 E_VIRTUAL_OPTION pidspace run --pids=virtual "$option" web -- true
		[[ $stderr == *--pids=space* ]]
	done
	[[ -z $(pidspace list -q) ]]
}

@test "without --pids: virtual where there are no PID namespaces, and that is said" {
	unset PIDSPACE_PIDS
	run -0 --separate-stderr boxed "$(no_namespaces)" "$PIDSPACE" --root "$STATE" run web -- sh -c 'echo $$ $PPID'
	[[ $output == "1 0" ]]
	[[ $stderr == "pidspace: no PID namespaces here for this user: 'web' has virtual pids" ]]
	[[ $(pidspace state web -f json | json 'j["pids"]') == virtual ]]
	pidspace delete web
	run -0 --separate-stderr boxed "$(no_namespaces)" "$PIDSPACE" --root "$STATE" run -d web -- sleep 1000 3>&-
	[[ $stderr == *"'web' has virtual pids" ]]
	pidspace delete -f web
	# An option that needs a namespace: what is missing, and what would do.
	for option in --map-root --hostname=x --rootfs="$TMP"; do
		fails 125 E_VIRTUAL_OPTION boxed "$(no_namespaces)" "$PIDSPACE" --root "$STATE" run "$option" web -- true
		[[ $stderr == *"cannot make PID namespaces"*"virtual pids"* ]]
	done
	[[ -z $(pidspace list -q) ]]
	# Asked for by name it is said, and nothing else is taken.
	run -125 boxed "$(no_namespaces)" "$PIDSPACE" --root "$STATE" run --pids=space web -- true
}

@test "a kernel without SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" {
	run -0 boxed old-notify "$PIDSPACE" --root "$STATE" run --rm --pids=virtual web -- sh -c 'echo $$; sh -c "ls /proc/1/comm"'
	[[ $output == 1$'\n'/proc/1/comm ]]
}

@test "inside a container with virtual pids there is no other" {
	fails 125 E_VIRTUAL pidspace run --rm --pids=virtual web -- \
		"$PIDSPACE" --root "$TMP/inner" run --rm --pids=virtual inner -- true
	[[ $stderr == *inside* ]]
}

@test "list and state show the kind" {
	virtual_steady web
	[[ $(pidspace state web) == *"pids:      virtual"* ]]
	[[ $(pidspace list | sed -n 2p) == web*running*virtual* ]]
	[[ $(pidspace list -f json | json 'j[0]["pids"]') == virtual ]]
}

@test "checkpoint and check are refused, and it runs on" {
	virtual_steady web
	echo precious >web.img
	fails 125 E_VIRTUAL_CHECKPOINT pidspace checkpoint web --image web.img
	fails 125 E_VIRTUAL_CHECKPOINT pidspace checkpoint web --image web.img --leave-running
	fails 125 E_VIRTUAL_CHECKPOINT pidspace check web
	[[ $(<web.img) == precious && ! -e web.img.partial ]]
	pidspace kill -s USR1 web
	wait_for log_has web usr1
	pidspace pause web
	fails 125 E_VIRTUAL_CHECKPOINT pidspace check web
	is_state web paused
}

@test "the warden killed: the container ends, and says why" {
	virtual_steady web
	pidspace exec -d web -- sh -c 'trap "" TERM; setsid sleep 1001 & exec sleep 1002'
	background exec web -- sleep 1003
	command=$!
	three() { [[ $(pidspace ps web -o command | grep -c '^sleep 100[123]') == 3 ]]; }
	wait_for three
	pids=$(host_pids web)
	background wait web 2>said
	waiter=$!
	wait_for kill -0 "$waiter"
	kill -KILL "$(keeper web warden)"
	wait_for all_gone $pids
	wait_for is_state web stopped
	status=0
	wait "$waiter" || status=$?
	[[ $status == 125 && $(<said) == *warden* ]]
	status=0
	wait "$command" || status=$?
	[[ $status == 137 ]]
	fails 125 E_STATUS_UNKNOWN pidspace wait web
	[[ $stderr == *warden* ]]
	[[ $(pidspace state web) == *"exit:      unknown"*"reason:    the warden of container web was killed"* ]]
	fails 125 E_STOPPED pidspace exec web -- true
}

@test "the warden of a foreground container killed" {
	background run --pids=virtual web -- sh -c 'echo up; sleep 1000' >out 2>err
	wait_for file_has out up
	kill -KILL "$(keeper web warden)"
	status=0
	wait $! || status=$?
	[[ $status == 125 && $(<err) == *"(E_WARDEN)"* ]]
	is_state web stopped
}

@test "the warden killed while processes are born without end: none is left" {
	pidspace run -d --pids=virtual web -- python3 -c '
import os, time
for i in range(8):
    if os.fork() == 0:
        while True:
            if os.fork():
                os._exit(0)
open("up", "w")
time.sleep(1000)'
	wait_for test -e up
	kill -KILL "$(keeper web warden)"
	wait_for is_state web stopped
	none() { ! pgrep -u "$(id -u)" -f 'open\("up"'; }
	wait_for none
}

@test "the warden and the monitor killed: nothing is left, and the entry says stopped" {
	virtual_steady web
	pidspace exec -d web -- sh -c 'trap "" TERM HUP; setsid sleep 1001 & exec sleep 1002'
	two() { [[ $(pidspace ps web -o command | grep -c '^sleep 100[12]') == 2 ]]; }
	wait_for two
	pids=$(host_pids web)
	monitor=$(pidspace state web -f json | json 'j["monitor_host_pid"]')
	warden=$(keeper web warden)
	kill -STOP "$monitor"
	kill -KILL "$warden"
	kill -KILL "$monitor"
	wait_for all_gone $pids
	is_state web stopped
	fails 125 E_STATUS_UNKNOWN pidspace wait web
	pidspace delete web
}

@test "the spawner killed: exec says so, all else goes on" {
	virtual_steady web
	spawner=$(keeper web spawn)
	kill -KILL "$spawner"
	wait_for gone "$spawner"
	fails 125 E_SPAWNER pidspace exec web -- true
	fails 125 E_SPAWNER pidspace exec -d web -- true
	is_state web running
	pidspace kill -s USR1 web
	wait_for log_has web usr1
	run -0 pidspace ps web -o pid,comm
	[[ $output == *"1  sh"* ]]
	pidspace kill web
	run -9 pidspace wait web
}

@test "the hidden processes are not seen, counted or signalled inside" {
	virtual_steady web
	run -0 pidspace exec web -- sh -c 'ps -eo pid,comm; ls /proc; kill -0 -1; kill -CONT -1; ps -eo comm | grep -c pidspace; exit 0'
	[[ $output != *pidspace-* ]]
	[[ ${lines[-1]} == 0 ]]
	kill -0 "$(keeper web warden)" "$(keeper web spawn)"
}

@test "signals from outside: to init only what it handles, and KILL and STOP" {
	pidspace run -d --pids=virtual web -- python3 -uc '
import signal, os, time
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
print("up")
i = signal.sigwaitinfo({signal.SIGUSR1})
print("from", i.si_pid)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
while True:
    time.sleep(1000)'
	wait_for log_has web up
	host=$(pidspace pid web 1)
	kill -USR1 "$host"
	wait_for log_has web "from 0"
	for sig in HUP QUIT TERM USR1 USR2 ALRM PIPE TSTP TTIN XCPU RTMIN; do
		kill -$sig "$host"
	done
	pidspace kill -s TERM web
	state() { [[ $(pidspace ps web -o state | tail -1) == "$1"* ]]; }
	kill -STOP "$host"
	wait_for state T
	kill -CONT "$host"
	wait_for state S
	is_state web running
	kill -KILL "$host"
	run -137 pidspace wait web
}

@test "another process signalled from outside ends as anywhere, and its parent hears of it" {
	pidspace run -d --pids=virtual web -- python3 -uc '
import os, time
pid = os.fork()
if pid == 0:
    time.sleep(1000)
print("child", pid)
print("ended", *os.waitpid(pid, os.WUNTRACED))
print("then", *os.waitpid(pid, 0))
time.sleep(1000)'
	wait_for log_has web child
	child=$(pidspace log web | sed -n 's/^child //p')
	host=$(pidspace pid web "$child")
	kill -STOP "$host"
	wait_for log_has web "ended $child $((19 << 8 | 127))"
	kill -TERM "$host"
	kill -CONT "$host"
	wait_for log_has web "then $child 15"
}

@test "two containers of one user do not see or reach each other" {
	virtual_steady one
	virtual_steady two
	two=$(pidspace pid two 1)
	[[ $(pidspace pid --host "$two") == "two 1" ]]
	run -0 pidspace exec one -- sh -c 'for p in '"$two $(keeper one warden) $(keeper two warden) $(keeper two spawn)"'; do
		kill -0 $p 2>/dev/null && echo "hit $p"
		kill -USR1 $p 2>/dev/null && echo "hit $p"
		[ -e /proc/$p ] && echo "seen $p"
		cat /proc/$p/stat 2>/dev/null && echo "read $p"
	done; kill -USR1 -1; ps -eo comm | grep -c "^sleep"; exit 0'
	[[ $output != *hit* && $output != *seen* && $output != *read* ]]
	[[ ${lines[-1]} == 1 ]]
	# Number 1 of the one is not number 1 of the other.
	pidspace kill -s USR1 one
	run -0 pidspace exec two -- true
	[[ $(pidspace log two) == up ]]
	fails 125 E_NO_SUCH_PID pidspace kill one "$two"
	pidspace delete -f one
	is_state two running
}

@test "its numbers stay its own when it is paused, and the monitor's death lets it go on" {
	virtual_steady web
	pidspace pause web
	monitor=$(pidspace state web -f json | json 'j["monitor_host_pid"]')
	kill -KILL "$monitor"
	wait_for gone "$monitor"
	pidspace kill -s USR1 web
	wait_for log_has web usr1
	pidspace resume web
	is_state web running
	run -0 pidspace exec web -- sh -c 'kill -USR1 1; exit 5' || [[ $status == 5 ]]
	pidspace kill web
	run -9 pidspace wait web
}

@test "delete -f and kill -a leave nothing, with a monitor or without" {
	for how in with without; do
		virtual_steady web
		pidspace exec -d web -- sh -c 'trap "" TERM HUP; setsid setsid sleep 1001 & exec sleep 1002'
		two() { [[ $(pidspace ps web -o command | grep -c '^sleep 100[12]') == 2 ]]; }
		wait_for two
		pids="$(host_pids web) $(keeper web warden) $(keeper web spawn)"
		monitor=$(pidspace state web -f json | json 'j["monitor_host_pid"]')
		[[ $how == with ]] || kill -KILL "$monitor"
		[[ $how == with ]] || wait_for gone "$monitor"
		pidspace delete -f web
		all_gone $pids
	done
	virtual_steady web
	pids="$(host_pids web) $(keeper web warden) $(keeper web spawn)"
	pidspace kill -a -s KILL web
	run -137 pidspace wait web
	all_gone $pids
}

@test "exec -t while paused, and of a stopped one, is refused" {
	virtual_steady web
	pidspace pause web
	fails 125 E_PAUSED pidspace exec web -- true
	pidspace resume web
	run -0 pidspace exec web -- true
}

@test "a system call newer than we know is told once in the container's log" {
	local call='import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for nr in 1000, 1000, 1001, 1000:
    libc.syscall(nr)
    print(nr, ctypes.get_errno(), flush=True)'
	pidspace run --pids=virtual -d unknown -- bash -c 'python3 -c "$0"; python3 -c "$0"; echo end; exec sleep 100' "$call"
	wait_for log_has unknown end
	pidspace log unknown
	[ "$(pidspace log unknown | grep -c '^100[01] 38$')" = 8 ]
	[ "$(pidspace log unknown | grep -c '^pidspace: system call 1000, made by python3 (process [0-9]*), ')" = 1 ]
	[ "$(pidspace log unknown | grep -c '^pidspace: ')" = 2 ]
	pidspace delete -f unknown
}

@test "all of a container ends also when /proc has gone out of the warden's reach" {
	is_root || return 0 # who cannot mount cannot take it away
	unshare -m sh -c '
		"$1" --root "$2" run -d --pids=virtual web -- sh -c "sleep 1000 & sleep 1000 & exec sleep 1000" &&
		"$1" --root "$2" ps web -o host && mount -t tmpfs none /proc' sh "$PIDSPACE" "$STATE" >"$TMP/pids" 3>&-
	pids=$(grep -E '^ *[0-9]+ *$' "$TMP/pids")
	[[ $(wc -w <<<"$pids") == 3 ]]
	kill -KILL "$(pidspace pid web 1)"
	wait_for all_gone $pids
	wait_for is_state web stopped
	pidspace delete web
}
