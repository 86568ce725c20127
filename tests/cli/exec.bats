load setup.bash

prepare() {
	steady web
}

@test "a further process has the next pid, and its exit status is ours" {
	run -0 pidspace exec web -- sh -c 'echo $$ $PPID; readlink /proc/self/ns/pid'
	[[ ${lines[0]% *} -gt 1 && ${lines[0]#* } == 0 ]]
	[[ ${lines[1]} == "$(readlink "/proc/$(pidspace pid web 1)/ns/pid")" ]]
	run -7 pidspace exec web -- sh -c 'exit 7'
	run -137 pidspace exec web -- sh -c 'kill -KILL $$'
	is_state web running
}

@test "it sees the container's processes and can signal them" {
	run -0 pidspace exec web -- sh -c 'kill -USR1 1; tr "\0" " " </proc/1/cmdline'
	[[ $output == "sh -c trap"* ]]
	wait_for log_has web usr1
}

@test "stdio passes, byte by byte" {
	head -c 1048576 /dev/urandom >in
	pidspace exec web -- cat <in >out
	cmp in out
	run -0 --separate-stderr pidspace exec web -- sh -c 'echo out; echo err >&2'
	[[ $output == out && $stderr == err ]]
}

@test "options of the program stay its own; environment and directory" {
	run -0 pidspace exec --cwd /usr --env A=1 web -- sh -c 'echo "$A $PWD $*"' sh -d -t
	[[ $output == "1 /usr -d -t" ]]
}

@test "a program that is not there or not executable" {
	fails 127 E_EXEC pidspace exec web -- no-such-program
	touch file
	fails 126 E_EXEC pidspace exec web -- "$TMP/file"
	is_state web running
}

@test "detached: prints its pid there and returns" {
	run -0 pidspace exec -d web -- sh -c 'echo from exec; exec sleep 1000'
	[[ $output =~ ^[0-9]+$ && $output -gt 1 ]]
	has_process web "$output"
	pidspace kill -s KILL web "$output"
	not_there() { ! has_process web "$1"; }
	wait_for not_there "$output"
	is_state web running
}

@test "signals to the foreground command reach the process" {
	background exec web -- sh -c 'trap "echo got it; exit 6" TERM; : >"$0"
		while :; do sleep 1000 & wait $!; done' "$TMP/up" >out
	wait_for test -e up
	kill -TERM $!
	status=0
	wait $! || status=$?
	[[ $status == 6 && $(<out) == "got it" ]]
	is_state web running
}

@test "when the container ends, so does a process in it" {
	background exec web -- sh -c ': >"$0"; exec sleep 1000' "$TMP/up"
	wait_for test -e up
	pidspace kill -s KILL web
	status=0
	wait $! || status=$?
	[[ $status == 137 ]]
}

@test "into a container that has ended" {
	pidspace kill web
	run -9 pidspace wait web
	fails 125 E_STOPPED pidspace exec web -- true
}

@test "many at once get their own output" {
	for i in 1 2 3 4 5 6 7 8; do
		pidspace exec web -- sh -c "echo $i; exit $i" >"out.$i" 3>&- && false || echo $? >"status.$i" &
	done
	wait
	for i in 1 2 3 4 5 6 7 8; do
		[[ $(<"out.$i") == "$i" && $(<"status.$i") == "$i" ]]
	done
}
