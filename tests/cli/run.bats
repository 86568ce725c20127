load setup.bash

@test "the program is pid 1 of its own space, and its exit status is ours" {
	run -0 pidspace run --rm one -- sh -c 'echo $$ $(readlink /proc/self | grep -c .)'
	[[ $output == "1 1" ]]
	run -7 pidspace run --rm one -- sh -c 'exit 7'
	run -255 pidspace run --rm one -- sh -c 'exit 255'
	[[ -z $(pidspace list -q) ]]
}

@test "options of the program stay its own, with -- and without" {
	run -0 pidspace run --rm one -- sh -c 'echo "$@"' sh -d --rm --help
	[[ $output == "-d --rm --help" ]]
	run -0 pidspace run --rm one echo -n -d
	[[ $output == "-d" ]]
	run -0 pidspace run --rm one -- echo -- x
	[[ $output == "-- x" ]]
}

@test "killed by a signal is 128 and its number" {
	run -137 pidspace run --rm --init one -- sh -c 'kill -KILL $$'
	run -143 pidspace run --rm --init one -- sh -c 'kill -TERM $$'
}

@test "a program that is not there, is not executable or has no interpreter" {
	fails 127 E_EXEC pidspace run one -- no-such-program
	[[ $stderr == *no-such-program* ]]
	fails 127 E_EXEC pidspace run one -- "$TMP/none"
	touch file
	chmod 644 file
	fails 126 E_EXEC pidspace run one -- ./file
	fails 126 E_EXEC pidspace run one -- "$TMP"
	fails 127 E_EXEC pidspace run -d one -- no-such-program
	[[ -z $(pidspace list -q) ]]
}

@test "a name is used once" {
	steady web
	fails 125 E_NAME_IN_USE pidspace run web -- true
	fails 125 E_NAME_IN_USE pidspace run -d web -- true
	pidspace kill web
	run -9 pidspace wait web
	fails 125 E_NAME_IN_USE pidspace run web -- true
	pidspace delete web
	run -0 pidspace run web -- true
	run -0 pidspace state web
}

@test "two that want the same name at once: one gets it" {
	for i in 1 2 3 4 5 6; do
		(pidspace run -d same -- sleep 1000 2>"err.$i" && echo 0 || echo $?) >"status.$i" 3>&- &
	done
	wait
	cat status.* err.*
	[[ $(cat status.* | sort | uniq -c | tr -s ' \n' ' ') == " 1 0 5 125 " ]]
	[[ $(cat err.* | grep -c E_NAME_IN_USE) == 5 ]]
	[[ $(pidspace list -q) == same ]]
}

@test "names that are none" {
	for name in "" . .. a/b "a b" .hidden "$(printf 'x%.0s' {1..200})" $'a\nb'; do
		fails 125 E_NAME pidspace run "$name" -- true
	done
	run -0 pidspace run --rm Web_1.2-x -- true
}

# bats test_tags=space
@test "either way of getting pids can be asked for, and pid 1 is pid 1" {
	for kind in space virtual; do
		run -0 pidspace run --rm --pids=$kind one -- sh -c 'echo $$ $PPID; exit 0'
		[ "$output" = "1 0" ]
		PIDSPACE_PIDS=$kind run -0 pidspace run --rm one -- sh -c 'echo $$ $PPID; exit 0'
		[ "$output" = "1 0" ]
	done
	fails 2 E_USAGE pidspace run --pids=none one -- true
	PIDSPACE_PIDS=none fails 2 E_USAGE pidspace run one -- true
	[[ $stderr == *PIDSPACE_PIDS* ]]
}

# bats test_tags=space
@test "without --pids: space where there are PID namespaces, and nothing is said" {
	unset PIDSPACE_PIDS
	run -0 --separate-stderr pidspace run web -- true
	[[ -z $stderr ]]
	[[ $(pidspace state web -f json | json 'j["pids"]') == space ]]
}

@test "stdout and stderr stay apart" {
	run -0 --separate-stderr pidspace run --rm one -- sh -c 'echo out; echo err >&2'
	[[ $output == out && $stderr == err ]]
}

@test "a megabyte of any bytes passes in both directions" {
	head -c 1048576 /dev/urandom >in
	pidspace run --rm one -- cat <in >out
	cmp in out
	pidspace run --rm one -- sh -c 'cat >&2' <in 2>err
	cmp in err
	pidspace run --rm one -- sha256sum <in | cut -d' ' -f1 >sum
	[[ $(<sum) == $(sha256sum <in | cut -d' ' -f1) ]]
}

@test "a pipe on either side may be slow, small or closed early" {
	run -0 bash -c '"$PIDSPACE" --root "$0" run --rm one -- seq 200000 | (sleep 0.3; tail -1)' "$STATE"
	[[ $output == 200000 ]]
	# head leaves; the program gets SIGPIPE or an error, and nothing hangs.
	run bash -c 'timeout 30 "$PIDSPACE" --root "$0" run --rm --init one -- yes | head -1' "$STATE"
	[[ ${lines[0]} == y ]]
	wait_for test -z "$(pidspace list -q)"
	# The program does not read; we end as it does.
	run -3 bash -c 'yes | timeout 30 "$PIDSPACE" --root "$0" run --rm one -- sh -c "exit 3"; exit ${PIPESTATUS[1]}' "$STATE"
	# End of file arrives.
	run -0 pidspace run --rm one -- cat </dev/null
	[[ -z $output ]]
}

@test "closed descriptors are /dev/null" {
	run -0 bash -c '"$PIDSPACE" --root "$0" run --rm one -- cat <&-' "$STATE"
	run -5 bash -c '"$PIDSPACE" --root "$0" run --rm one -- sh -c "echo x; exit 5" >&-' "$STATE"
	run -5 bash -c '"$PIDSPACE" --root "$0" run --rm one -- sh -c "echo x >&2; exit 5" 2>&-' "$STATE"
}

@test "no descriptor of ours leaks into the program" {
	run -0 bash -c 'exec 7</dev/null; "$PIDSPACE" --root "$0" run --rm one -- ls /proc/self/fd' "$STATE" 3>&-
	echo "$output"
	# 0 1 2, the directory that ls reads, and what the caller passed on purpose at most
	for fd in $output; do
		[[ $fd =~ ^[0-37]$ ]]
	done
}

@test "signals to the foreground command reach pid 1" {
	for sig in INT TERM HUP QUIT USR1 USR2 CONT; do
		background run --rm "sig-$sig" -- sh -c 'for s in INT TERM HUP QUIT USR1 USR2 CONT; do
			trap "echo $s; exit 6" $s; done; : >"$0"; while :; do sleep 1000 & wait $!; done' "$TMP/up.$sig" >"out.$sig"
		wait_for test -e "up.$sig"
		kill -"$sig" $!
		status=0
		wait $! || status=$?
		[[ $(<"out.$sig") == "$sig" ]]
		[[ $status == 6 ]]
	done
}

@test "--env and --cwd" {
	export OUTER=outer
	run -0 pidspace run --rm --env A=1 --env "B=two words" --env C= --cwd /usr one -- \
		sh -c 'echo "$A|$B|$C|$OUTER|$PWD"'
	[[ $output == "1|two words||outer|/usr" ]]
	run -0 pidspace run --rm one -- sh -c 'pwd; uname -n'
	[[ ${lines[0]} == "$(pwd -P)" && ${lines[1]} == "$(uname -n)" ]]
	run -125 --separate-stderr pidspace run --rm --cwd /no/such one -- true
	[[ $stderr == *"/no/such"* && -z $(pidspace list -q) ]]
}

# bats test_tags=space
@test "--hostname" {
	run -0 pidspace run --rm --pids=space --hostname box one -- uname -n
	[[ $output == box ]]
}

@test "--init is a pid 1 that reaps and passes signals" {
	run -0 pidspace run --rm --init one -- sh -c 'echo $$ $PPID'
	[[ $output == "2 1" ]]
	run -4 pidspace run --rm --init one -- sh -c 'exit 4'
	pidspace run -d --init orphans -- sh -c '(sleep 0 & sleep 0 &); echo up; exec sleep 1000'
	wait_for log_has orphans up
	no_zombies() { ! pidspace ps orphans -o state | grep -q Z && [[ $(pidspace ps orphans -o pid | wc -l) == 3 ]]; }
	wait_for no_zombies
	pidspace kill orphans # sleep dies of it, and init as it did
	run -143 pidspace wait orphans
}

# bats test_tags=space
@test "--map-root" {
	run -0 pidspace run --rm --pids=space --map-root one -- sh -c 'echo $(id -u) $(id -g)'
	[[ $output == "0 0" ]]
	is_root || {
		run -0 pidspace run --rm --pids=space one -- id -u
		[[ $output == $(id -u) ]]
	}
}

@test "--pid-max keeps pids below it" {
	[[ ${PIDSPACE_PIDS:-} == virtual ]] || pidspace check | grep -q '^pid_max per namespace *yes' || skip "no pid_max per namespace"
	run -0 pidspace run --rm --pid-max 400 one -- sh -c 'cat /proc/sys/kernel/pid_max
		i=0; while [ $i -lt 450 ]; do i=$((i + 1)); (:); sh -c "echo \$\$"; done | sort -n | tail -1'
	[[ ${lines[0]} == 400 && ${lines[1]} -lt 400 && ${lines[1]} -gt 300 ]]
}

@test "--pid-file has the host pid once it runs" {
	pidspace run -d --pid-file "$TMP/pid" one -- sleep 1000
	[[ $(<pid) == $(pidspace pid one 1) ]]
	[[ $(tr '\0' ' ' <"/proc/$(<pid)/cmdline") == "sleep 1000 " ]]
}

# bats test_tags=space
@test "--rootfs is the container's whole tree" {
	busybox=$(command -v busybox) || skip "no busybox"
	ldd "$busybox" >/dev/null 2>&1 && skip "busybox is not static"
	mkdir -p root/bin root/proc root/dev root/tmp root/etc
	cp "$busybox" root/bin/busybox
	ln -s busybox root/bin/sh
	echo inside >root/etc/where
	run -0 pidspace run --rm --pids=space --rootfs "$TMP/root" one -- /bin/busybox cat /etc/where
	[[ $output == inside ]]
	run -0 pidspace run --rm --pids=space --rootfs "$TMP/root" --env PATH=/bin one -- sh -c \
		'echo $$; [ -e /etc/passwd ] || echo "no passwd"; busybox ls /proc | busybox grep -x 1; echo x >/dev/null; busybox pwd'
	[[ ${lines[0]} == 1 && ${lines[1]} == "no passwd" && ${lines[2]} == 1 && ${lines[3]} == / ]]
	fails 127 E_EXEC pidspace run --rm --pids=space --rootfs "$TMP/root" one -- /bin/bash
	run -125 --separate-stderr pidspace run --rm --pids=space --rootfs "$TMP/nowhere" one -- true
	[[ $stderr == *nowhere* ]]
	[[ -z $(find root/proc root/dev root/tmp -mindepth 1) ]]
}

# bats test_tags=space
@test "what is the container's own: /proc, /dev/pts, /dev/shm, host name, IPC" {
	run -0 pidspace run --rm --pids=space one -- sh -c 'ls /proc | grep -c "^[0-9]*$"; ls /dev/shm | wc -l; ls /dev/pts
		for n in pid mnt uts ipc time; do readlink /proc/self/ns/$n; done'
	[[ ${lines[0]} -le 4 && ${lines[1]} == 0 && ${lines[2]} == ptmx ]]
	for n in pid mnt uts ipc time; do
		[[ $output != *"$(readlink /proc/self/ns/$n)"* ]]
	done
	run -0 pidspace run --rm --pids=space one -- readlink /proc/self/ns/net
	[[ $output == "$(readlink /proc/self/ns/net)" ]]
}

@test "the container sees no process of the host, and cannot signal one" {
	sleep 1000 3>&- &
	PIDS+=($!)
	run -0 pidspace run --rm one -- sh -c "kill -0 $! 2>/dev/null && echo hit || echo missed; ls -d /proc/$! 2>/dev/null || echo none"
	[[ $output == missed$'\n'none ]]
	kill -0 $!
}

@test "everything in the container ends with its pid 1" {
	run -0 pidspace run --rm --pid-file "$TMP/pid" one -- sh -c \
		'sleep 1000 & echo "$!"; exit 0'
	[[ -n $output && -z $(pidspace list -q) ]]
}

@test "detached: returns at once, the output goes to the log" {
	run -0 pidspace run -d web -- sh -c 'echo out; echo err >&2; cat; exec sleep 1000'
	[[ -z $output ]]
	wait_for log_has web err
	[[ $(pidspace log web) == out$'\n'err ]]
	[[ $(pidspace state web -f json | json 'j["detached"]') == true ]]
	# It is no child of ours and not in our session.
	[[ $(ps -o sid= -p "$(pidspace pid web 1)") != $(ps -o sid= -p $$) ]]
}

@test "--rm forgets a detached container when it ends" {
	pidspace run -d --rm brief -- sh -c 'read x <"$0"' "$(mkfifo go; echo "$TMP/go")"
	[[ $(pidspace list -q) == brief ]]
	echo >go
	none() { [[ -z $(pidspace list -q) ]]; }
	wait_for none
	run -0 pidspace run -d brief -- true
}

@test "SIGPIPE, SIGINT and the signal mask are as for any program" {
	run -0 pidspace run --rm one -- grep -E '^Sig(Blk|Ign):' /proc/self/status
	[[ ${lines[0]} == SigBlk:*0000000000000000 ]]
	[[ ${lines[1]} == SigIgn:*0000000000000000 ]] # whatever is ignored here
}
