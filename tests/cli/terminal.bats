load setup.bash

on_pty() { # STEP... -- COMMAND...
	"$BATS_TEST_DIRNAME/drive_pty.py" "$@" 3>&-
}

@test "-t needs a terminal in the foreground" {
	fails 125 E_TERMINAL pidspace run -t one -- true </dev/null
	steady web
	fails 125 E_TERMINAL pidspace exec -t web -- true </dev/null
}

@test "a terminal of the container's own" {
	run -0 on_pty end -- "$PIDSPACE" --root "$STATE" run -t --rm one -- \
		sh -c 'tty; ls /dev/pts; test -t 0 && test -t 1 && test -t 2 && echo all; cat /proc/self/stat | cut -d" " -f6,8'
	echo "$output"
	[[ ${lines[0]} == /dev/pts/[0-9]* && $output == *all* ]]
	# of a devpts of its own it is the first
	[[ ${PIDSPACE_PIDS:-} == virtual ]] || [[ ${lines[0]} == /dev/pts/0* && ${lines[1]} == 0* ]]
	# session 1 has it as its controlling terminal, with itself in the foreground
	[[ ${lines[-1]} == "1 1"* ]]
}

@test "the exit status comes through" {
	run -7 on_pty end -- "$PIDSPACE" --root "$STATE" run -t --rm one -- sh -c 'exit 7'
	run -130 on_pty expect:up send:'\x03' end -- "$PIDSPACE" --root "$STATE" run -t --rm --init one -- \
		python3 -c 'import signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL); print("up", flush=True); time.sleep(1000)'
}

@test "what is typed arrives once, and is echoed once" {
	run -0 on_pty expect:up send:'hello\n' expect:'got:hello:' end -- \
		"$PIDSPACE" --root "$STATE" run -t --rm one -- sh -c 'echo up; read x; echo "got:$x:"'
	[[ $(grep -c '^hello' <<<"$output") == 1 ]]
}

# What is interrupted has spoken before: then it has the terminal.
@test "job control: stop, background, interrupt" {
	run -5 on_pty expect:'\$ ' send:'echo shell $$\n' expect:'shell 1\r' \
		expect:'\$ ' send:'sh -c "echo begun; exec sleep 1001"\n' expect:'begun\r' send:'\x1a' \
		expect:'Stopped' expect:'\$ ' send:'jobs\n' expect:'Stopped.*sleep 1001' expect:'\$ ' \
		send:'bg\n' expect:'sleep 1001. &' expect:'\$ ' send:'kill %1\n' expect:'\$ ' \
		send:'sh -c "echo again; exec sleep 1002"\n' expect:'again\r' \
		send:'\x03' expect:'\$ ' send:'echo after $?\n' expect:'after 130\r' expect:'\$ ' \
		send:'exit 5\n' end -- \
		env PS1='$ ' "$PIDSPACE" --root "$STATE" run -t --rm one -- bash --norc --noprofile
}

@test "the window's size is the user's, and follows" {
	run -0 on_pty expect:'24 80\r' resize:33x111 expect:'resized 33 111\r' send:'\n' end -- \
		"$PIDSPACE" --root "$STATE" run -t --rm one -- bash --norc -c \
		'trap "echo resized \$(stty size)" WINCH; stty size; while ! read -t 0.1 x; do :; done'
}

@test "the user's terminal is as before afterwards" {
	run -0 on_pty expect:'before:' expect:'end' end -- bash --norc -c \
		'a=$(stty -g); echo before:; "$PIDSPACE" --root "'"$STATE"'" run -t --rm one -- sh -c "stty raw -echo; exit 3"
		[ $? = 3 ] && [ "$a" = "$(stty -g)" ] && echo same; echo end'
	[[ $output == *same* ]]
}

@test "end of file is ^D" {
	run -0 on_pty expect:up send:'abc\n\x04' expect:'abc\r\nabc\r' end -- \
		"$PIDSPACE" --root "$STATE" run -t --rm one -- sh -c 'echo up; exec cat'
}

@test "exec -t" {
	steady web
	run -6 on_pty expect:'\$ ' send:'tty\n' expect:'/dev/pts/[0-9]+\r' expect:'\$ ' \
		send:'sh -c "echo begun; exec sleep 1001"\n' expect:'begun\r' send:'\x1a' \
		expect:'Stopped' expect:'\$ ' send:'kill %1; wait -f %1\n' expect:'\$ ' \
		send:'kill -USR1 1; exit 6\n' end -- \
		env PS1='$ ' "$PIDSPACE" --root "$STATE" exec -t web -- bash --norc --noprofile
	wait_for log_has web usr1
}

@test "output of a megabyte on a terminal is whole" {
	run -0 on_pty end -- "$PIDSPACE" --root "$STATE" run -t --rm one -- sh -c 'stty -opost; seq 150000'
	[[ $(grep -c . <<<"$output") == 150000 && ${lines[-1]} == 150000 ]]
}

@test "a detached one with a terminal" {
	pidspace run -d -t web -- sh -c 'tty; test -t 0 && echo yes; exec sleep 1000'
	wait_for log_has web yes
	[[ $(pidspace log web) == /dev/pts/[0-9]* ]]
	[[ $(pidspace state web -f json | json 'j["terminal"]') == true ]]
}
