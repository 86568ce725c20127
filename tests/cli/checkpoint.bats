# bats file_tags=space
load setup.bash

# Writes a number a line to its log, as fast as it is told to; pid 1 knows its child's pid.
counter() { # NAME [OPTION...]
	local name=$1
	shift
	pidspace run -d "$@" "$name" -- sh -c 'sleep 1001 & child=$!; i=0
		while :; do i=$((i + 1)); echo "$$ $child $i"; sleep 0.05; done'
	wait_for log_has "$name" "1 2 3"
}

# The log has every number once, and the pids never changed.
log_is_whole() {
	pidspace log "$1" | awk '$1 != 1 || $2 != 2 || $3 != NR { print "line " NR ": " $0; bad = 1 } END { exit bad }'
}

log_grows() { # NAME
	local n
	n=$(pidspace log "$1" | wc -l)
	more() { [[ $(pidspace log "$1" | wc -l) -gt $((n + 2)) ]]; }
	wait_for more "$1"
}

# A container that cannot be checkpointed: it holds a netlink socket.
stubborn() { # NAME
	pidspace run -d "$1" -- python3 -uc 'import socket, time
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
print("up")
time.sleep(1000)'
	wait_for log_has "$1" up
}

@test "a container is gone after its checkpoint, and restore brings it back as it was" {
	counter web
	pidspace ps web -o pid,ppid,pgid,sid,comm >before
	host=$(pidspace pid web 1)
	run -0 --separate-stderr pidspace checkpoint web --image web.img
	[[ -z $output && -z $stderr ]]
	wait_for gone "$host"
	run -125 pidspace state web
	[[ $(stat -c %a web.img) == 600 && ! -e web.img.partial ]]
	run -0 --separate-stderr pidspace restore -d --image web.img
	[[ -z $output && -z $stderr ]]
	is_state web running
	grep 'sleep$\|sh$' <(pidspace ps web -o pid,ppid,pgid,sid,comm) | grep -w 1 | head -1 >after
	diff <(sed -n 2p before) after
	has_process web 2
	log_grows web
}

@test "--leave-running leaves it running" {
	counter web
	host=$(pidspace pid web 1)
	pidspace checkpoint web --image web.img --leave-running
	[[ $(pidspace pid web 1) == "$host" ]]
	log_grows web
	log_is_whole web
	pidspace delete -f web
	pidspace restore -d --image web.img
	has_process web 2
}

@test "compressed or not, through a file or a pipe" {
	counter web
	for how in none lz4 zstd lz4:1 lz4:12 zstd:1 zstd:19; do
		pidspace checkpoint web --image web.img --compress $how
		run -0 pidspace verify web.img
		pidspace restore -d --image web.img
		pidspace checkpoint web --image - --compress $how | cat >web.img
		run -0 pidspace verify web.img
		[[ $output == "web.img: whole" ]]
		cat web.img | pidspace restore -d --image -
		has_process web 2
	done
}

@test "an image is not written to a terminal" {
	counter web
	run -125 "$BATS_TEST_DIRNAME/drive_pty.py" end -- "$PIDSPACE" --root "$STATE" checkpoint web --image -
	[[ $output == *E_TERMINAL* ]]
	is_state web running
}

@test "what cannot be carried is said all at once, and it runs on" {
	stubborn web
	echo precious >web.img
	run -125 --separate-stderr pidspace checkpoint web --image web.img
	echo "$stderr"
	[[ $stderr == *"(E_REFUSED)"* && $stderr == *"pid 1 fd 3"*"(E_NETLINK)"* && $stderr == *"do:"* ]]
	[[ $(<web.img) == precious && ! -e web.img.partial ]]
	is_state web running
	run -1 pidspace check web
	[[ $output == *"pid 1 fd 3"*"(E_NETLINK)"* ]]
	run -1 pidspace check web -f json
	[[ $(json 'j[0]["code"] + str(j[0]["pid"]) + str(j[0]["fd"])' <<<"$output") == E_NETLINK13 ]]
	is_state web running
}

@test "check says when nothing stands in the way" {
	counter web
	run -0 pidspace check web
	[[ $output == "container 'web' can be checkpointed" ]]
	[[ $(pidspace check web -f json | json j) == "[]" ]]
	log_grows web
	log_is_whole web
}

@test "a disk that is full: an error, and it runs on" {
	[[ -c /dev/full ]] || skip "no /dev/full"
	counter web
	run -125 --separate-stderr pidspace checkpoint web --image /dev/full
	[[ $stderr == *"(E_"* ]]
	log_grows web
	log_is_whole web
}

@test "image files that cannot be" {
	counter web
	fails 125 E_IMAGE_FILE pidspace checkpoint web --image none/web.img
	fails 125 E_IMAGE_FILE pidspace checkpoint web --image "$TMP"
	fails 125 E_IMAGE_FILE pidspace restore -d --image none.img
	fails 125 E_IMAGE_FILE pidspace verify none.img
	fails 125 E_IMAGE_FILE pidspace inspect none.img
	is_state web running
}

@test "what an interrupted command left is overwritten" {
	counter web
	echo half an image >web.img.partial
	pidspace checkpoint web --image web.img
	run -0 pidspace verify web.img
	[[ ! -e web.img.partial ]]
}

is_traced() { # PID...
	local pid
	for pid; do
		[[ $(sed -n 's/^TracerPid:\t//p' "/proc/$pid/status") != 0 ]] || return 1
	done
}

# Checkpoints web to web.img and notes in "trace", in order, what command and monitor do for it to last.
traced() { # STRACE-OPTION... -- CHECKPOINT-OPTION...
	local monitor command status=0 strace=()
	monitor=$(pidspace state web -f json | json 'j["monitor_host_pid"]')
	while [[ $1 != -- ]]; do
		strace+=("$1")
		shift
	done
	shift
	[[ -p go ]] || mkfifo go
	bash -c 'read <go; exec "$@"' - "$PIDSPACE" --root "$STATE" checkpoint web --image web.img "$@" 3>&- &
	command=$!
	strace -f -qq -o trace -e trace=fdatasync,fsync,rename,pidfd_send_signal -e signal=none "${strace[@]}" \
		-p "$monitor" -p "$command" 3>&- &
	PIDS+=("$command" $!)
	wait_for is_traced "$monitor" "$command"
	echo >go
	wait "$command" || status=$?
	kill -INT $! 2>/dev/null || true # of a container that runs on the monitor is still there
	wait $! || true
	return $status
}

order() { # the calls of trace in one line, each once
	grep -v 'pidfd_send_signal.* 0,\|resumed' trace | grep -o '[a-z_]*(' | tr -d '(' | uniq | tr '\n' ' '
}

@test "the image is on its disk and has its name before the container ends" {
	counter web
	run -0 traced --
	cat trace
	[[ $(order) == "fdatasync rename fsync pidfd_send_signal " ]]
	pidspace restore -d --image web.img
	run -0 traced -- --leave-running
	cat trace
	[[ $(order) == "fdatasync rename fsync " ]]
	log_grows web
	run -0 traced -- --no-sync
	cat trace
	[[ $(order) == "rename pidfd_send_signal " ]]
	run -0 pidspace verify web.img
}

@test "an image that cannot be brought to its disk is none, and the container runs on" {
	counter web
	for why in EIO ENOSPC; do
		run -125 --separate-stderr traced -e inject=fdatasync:error=$why --
		[[ $stderr == *"brought to its disk"*"(E_IMAGE_WRITE)"* && ! -e web.img && ! -e web.img.partial ]]
		run -125 --separate-stderr traced -e inject=fdatasync:error=$why -- --leave-running
		[[ $stderr == *"brought to its disk"*"(E_IMAGE_WRITE)"* && ! -e web.img && ! -e web.img.partial ]]
	done
	run -125 --separate-stderr traced -e inject=fsync:error=EIO --
	[[ $stderr == *"runs on"*"(E_IMAGE_FILE)"* && ! -e web.img && ! -e web.img.partial ]]
	run -125 --separate-stderr traced -e inject=rename:error=EACCES --
	[[ $stderr == *"runs on"*"(E_IMAGE_FILE)"* && ! -e web.img && ! -e web.img.partial ]]
	log_grows web
	log_is_whole web
}

@test "a command that is killed before it has named the image: the container runs on" {
	counter web
	run traced -e inject=rename:signal=KILL --
	[[ $status != 0 && ! -e web.img ]]
	log_grows web
	log_is_whole web
	pidspace checkpoint web --image web.img
	run -0 pidspace verify web.img
}

calls() { # PID NUMBER: it waits in that system call
	[[ $(cut -d' ' -f1 "/proc/$1/syscall") == "$2" ]]
}

is_held() { # host pid: stopped by a tracer
	[[ $(sed 's/.*) //' "/proc/$1/stat") == t* ]]
}

@test "a checkpoint whose command goes away while it is written: the container runs on" {
	counter web
	pidspace exec -d web -- "$BASH" -c 'x=$(head -c 6000000 /dev/urandom | base64); echo full; while :; do sleep 1; done'
	wait_for log_has web full
	host=$(pidspace pid web 1)
	mkfifo sink
	exec {hold}<>sink # and nobody reads
	for signal in TERM HUP KILL; do
		status=0
		background checkpoint web --image sink --compress lz4 2>err
		command=$!
		full() { is_held "$host" && calls "$command" 7; }
		wait_for full
		kill -$signal "$command"
		wait "$command" || status=$?
		[[ $status == $((128 + $(kill -l $signal))) ]]
		[[ $signal == KILL || $(<err) == *"runs on"*"(E_CANCELED)"* ]]
		free() { ! is_held "$host"; }
		wait_for free
		timeout 1 cat <sink >/dev/null || true
	done
	exec {hold}>&-
	[[ $(pidspace pid web 1) == "$host" ]]
	pidspace checkpoint web --image web.img
	run -0 pidspace verify web.img
}

@test "a checkpoint that is given up leaves no file behind" {
	counter web
	monitor=$(pidspace state web -f json | json 'j["monitor_host_pid"]')
	kill -STOP "$monitor"
	background checkpoint web --image web.img 2>err
	command=$!
	wait_for calls "$command" 7
	[[ -e web.img.partial ]]
	kill -TERM "$command"
	wait_for calls "$command" 47 # it has said so, and hears what becomes of it
	kill -CONT "$monitor"
	status=0
	wait "$command" || status=$?
	cat err
	[[ $status == 143 && ! -e web.img && ! -e web.img.partial && $(<err) == *"(E_CANCELED)"* ]]
	log_grows web
	log_is_whole web
}

@test "a signal after the image has got its name comes too late" {
	counter web
	run -0 traced -e inject=rename:signal=TERM --
	run -125 pidspace state web
	run -0 pidspace verify web.img
}

@test "a damaged image restores nothing" {
	counter web
	pidspace checkpoint web --image web.img
	size=$(stat -c %s web.img)
	for cut in 0 1 100 $((size / 2)) $((size - 1)); do
		head -c $cut web.img >cut.img
		run -125 --separate-stderr pidspace restore -d --image cut.img
		[[ $stderr == *"(E_IMAGE_"* ]]
		run -1 pidspace verify cut.img
		[[ $output == *"(E_IMAGE_"* ]]
	done
	cp web.img bad.img
	printf '\377\376\375' | dd of=bad.img bs=1 seek=$((size / 3)) conv=notrunc status=none
	run -125 pidspace restore -d --image bad.img
	run -1 pidspace verify bad.img
	head -c 100000 /dev/urandom >noise.img
	run -1 pidspace verify noise.img
	run -125 pidspace restore -d --image noise.img
	[[ -z $(pidspace list -q) ]]
	run -0 pidspace restore -d --image web.img
}

@test "damage in the middle of large memory restores nothing, in a file and in a pipe" {
	pidspace run -d web -- "$BASH" -c 'x=$(head -c 6000000 /dev/zero | tr "\0" x); echo up; while sleep 0.1; do :; done'
	wait_for log_has web up
	for compress in none lz4; do
		pidspace checkpoint web --image web.img --compress $compress --leave-running
		size=$(stat -c %s web.img)
		cp web.img bad.img
		printf '\377\376\375' | dd of=bad.img bs=1 seek=$((size * 2 / 3)) conv=notrunc status=none
		run -125 --separate-stderr pidspace restore -d --name other --image bad.img
		[[ $stderr == *"(E_IMAGE_CORRUPT)"* ]]
		run -125 --separate-stderr bash -c '"$1" --root "$2" restore -d --name other --image - <bad.img' - "$PIDSPACE" "$STATE"
		[[ $stderr == *"(E_IMAGE_CORRUPT)"* ]]
		[[ $(pidspace list -q) == web ]]
		pidspace restore -d --name other --image web.img
		pidspace delete -f other
		rm web.img
	done
}

@test "one image, several containers by name" {
	counter web
	pidspace checkpoint web --image web.img --leave-running
	fails 125 E_NAME_IN_USE pidspace restore -d --image web.img
	pidspace restore -d --image web.img --name two
	pidspace restore -d --image web.img --name three
	[[ $(pidspace list -q | tr '\n' ' ') == "three two web " ]]
	for c in web two three; do
		has_process $c 2
		log_grows $c
	done
	[[ $(for c in web two three; do pidspace pid $c 1; done | sort -u | wc -l) == 3 ]]
}

@test "options of restore: --rm, --pid-file" {
	counter web
	pidspace checkpoint web --image web.img
	pidspace restore -d --rm --image web.img --pid-file "$TMP/pid"
	[[ $(<pid) == $(pidspace pid web 1) ]]
	pidspace kill -s KILL web
	none() { [[ -z $(pidspace list -q) ]]; }
	wait_for none
}

@test "restored in the foreground: stdio, signals and exit status" {
	mkfifo in
	exec {keep}<>in # opening a fifo for one side waits for the other
	background run web -- sh -c 'trap "echo term; exit 4" TERM; echo up; while read x; do echo "got $x"; done; echo eof' <in >out
	wait_for file_has out up
	pidspace checkpoint web --image web.img
	status=0
	wait $! || status=$?
	[[ $status == 125 && $(<out) == up ]]
	background restore --image web.img <in >out2
	echo hello >&$keep
	wait_for file_has out2 "got hello"
	kill -TERM $!
	status=0
	wait $! || status=$?
	exec {keep}>&-
	[[ $status == 4 && $(<out2) == *term ]]
}

@test "a foreground run says that its container was checkpointed away" {
	background run web -- sh -c 'echo up; while :; do sleep 1000; done' >out 2>err
	wait_for file_has out up
	pidspace checkpoint web --image web.img
	status=0
	wait $! || status=$?
	[[ $status == 125 && $(<err) == *"(E_CHECKPOINTED)"* ]]
}

@test "a file that has grown since" {
	pidspace run -d web -- sh -c 'exec 5>>"$0"; echo one >&5; echo up; while :; do sleep 1000 & wait $!; done' "$TMP/file"
	wait_for log_has web up
	pidspace checkpoint web --image web.img
	echo stranger >>file
	run -125 --separate-stderr pidspace restore -d --image web.img
	echo "$stderr"
	[[ $stderr == *"$TMP/file"* ]]
	[[ $(<file) == one$'\n'stranger && -z $(pidspace list -q) ]]
	pidspace restore -d --image web.img --files ignore --name kept
	[[ $(<file) == one$'\n'stranger ]]
	pidspace delete -f kept
	pidspace restore -d --image web.img --files truncate
	[[ $(<file) == one ]]
}

@test "what comes from outside is connected anew" {
	mkfifo outside
	exec {hold}<>outside
	pidspace run -d web -- sh -c 'exec 5>"$0"; echo up; while :; do echo tick >&5; sleep 0.05; done' "$TMP/outside"
	wait_for log_has web up
	pidspace checkpoint web --image web.img --external "$TMP/outside"
	: >other
	pidspace restore -d --image web.img --external "$TMP/outside=$TMP/other"
	wait_for file_has other tick
	exec {hold}>&-
}

@test "--stats says how long it took, on stderr" {
	counter web
	run -0 --separate-stderr pidspace checkpoint web --image web.img --stats
	[[ -z $output && $stderr =~ total\ +[0-9.]+\ ms && $stderr == *freeze*processes* ]]
	run -0 --separate-stderr pidspace restore -d --image web.img --stats
	[[ -z $output && $stderr =~ total\ +[0-9.]+\ ms && $stderr =~ processes\ +[23] ]]
	[[ $stderr == *read*files*tree*memory*tasks*gate*total* && $stderr != *paused* ]]
}

@test "--stats names every phase, and together they take the whole time" {
	counter web
	run -0 --separate-stderr pidspace checkpoint web --image web.img --leave-running --stats -f json
	[[ $(json '" ".join(j["phases_ns"])' <<<"$stderr") == "rounds freeze collect metadata memory commit release" ]]
	[[ $(json 'sum(j["phases_ns"].values()) == j["total_ns"] >= j["paused_ns"] > 0' <<<"$stderr") == true ]]
	[[ $(json 'j["image_bytes"]' <<<"$stderr") == "$(stat -c %s web.img)" ]]
	run -0 --separate-stderr pidspace checkpoint web --image again.img --stats --format=json
	[[ $(json '" ".join(j["phases_ns"])' <<<"$stderr") == "freeze collect metadata memory commit kill" ]]
	run -0 --separate-stderr pidspace restore -d --image again.img --stats -f json
	[[ $(json '" ".join(j["phases_ns"])' <<<"$stderr") == "read files tree memory tasks gate" ]]
	[[ $(json 'sum(j["phases_ns"].values()) == j["total_ns"]' <<<"$stderr") == true ]]
	run -2 pidspace restore -d --image again.img --stats -f xml
}

@test "progress on a terminal leaves nothing behind" {
	counter web
	run -0 "$BATS_TEST_DIRNAME/drive_pty.py" end -- env TERM=xterm "$PIDSPACE" --root "$STATE" checkpoint web --image web.img
	# The last thing, if anything was drawn, is the line's removal.
	[[ -z $output || $output == *$'\033[K' ]]
}

@test "after its monitor was killed it can be checkpointed, and restored, and so again" {
	counter web
	for i in 1 2; do
		monitor=$(pidspace state web -f json | json 'j["monitor_host_pid"]')
		kill -KILL "$monitor"
		wait_for gone "$monitor"
		pidspace checkpoint web --image web.img
		run -125 pidspace state web
		pidspace restore -d --image web.img
		log_grows web
	done
	pidspace kill -s KILL web
	run -137 pidspace wait web
}

@test "every command works on a restored container" {
	counter web
	pidspace checkpoint web --image web.img
	pidspace restore -d --image web.img
	run -3 pidspace exec web -- sh -c 'exit 3'
	pidspace pause web
	is_state web paused
	pidspace resume web
	pidspace kill -s KILL web 2
	run -0 pidspace ps --tree web
	[[ $(pidspace pid --host "$(pidspace pid web 1)") == "web 1" ]]
	run -0 pidspace check web
	background wait web
	pidspace kill -s KILL web
	status=0
	wait $! || status=$?
	[[ $status == 137 ]]
}

@test "inspect: the container, its processes, files and memory" {
	counter web
	pidspace checkpoint web --image web.img
	run -0 pidspace inspect web.img
	echo "$output"
	[[ $output == *"name: web"* && $output == *"PID  PPID"* && $output == *"- sleep 1001"* ]]
	run -0 pidspace inspect --ps-tree web.img
	[[ ${lines[0]} == PID* && ${lines[1]} == *"1     0"*"sh -c"* ]]
	run -0 pidspace inspect --files web.img
	[[ $output == */dev/null* ]]
	run -0 pidspace inspect --mem web.img
	[[ $output == *libc* && $output == *r-xp* ]]
	[[ $(pidspace inspect -f json web.img | json 'j["container"]["name"]') == web ]]
	[[ $(pidspace inspect --mem --files -f json web.img | json 'sorted(j)') == '["files", "mem"]' ]]
	head -c 5000 web.img >cut.img
	run -125 pidspace inspect cut.img
	[[ $output == *"(E_IMAGE_"* ]]
	run -0 pidspace inspect - <web.img
	[[ $output == *"name: web"* ]]
}
