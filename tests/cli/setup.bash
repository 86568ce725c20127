# What every test of the commands shares. Each test has a state directory of its own, and whatever it
# started is gone afterwards. The tests run as whoever calls bats; tests/cli/run calls it as root and as
# an ordinary user.
bats_require_minimum_version 1.5.0

: "${PIDSPACE:=$(readlink -f "$BATS_TEST_DIRNAME/../../build/src/cli/pidspace")}"
: "${PIDSPACE_DEADLINE:=60}"
export PIDSPACE

setup() {
	STATE=$BATS_TEST_TMPDIR/state
	TMP=$BATS_TEST_TMPDIR
	PIDS=()
	cd "$TMP"
	if declare -F prepare >/dev/null; then prepare; fi
}

teardown() {
	local pid name
	for pid in "${PIDS[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
	[[ -d $STATE ]] || return 0
	for name in $(pidspace list -q 2>/dev/null); do pidspace delete -f "$name" || true; done
	# Nothing may be left that was run with --rm or has just been deleted.
	[[ -z $(ls "$STATE") ]]
}

# The program, on the test's own state directory. Descriptor 3 is bats', and would keep it waiting for
# whatever runs on.
pidspace() {
	timeout --foreground -k 5 "$PIDSPACE_DEADLINE" "$PIDSPACE" --root "$STATE" "$@" 3>&-
}

# Starts the program in the background; its number goes to $!, and into what teardown kills.
background() {
	# Without <&0 it would be /dev/null. Under nohup(1) it would not hear of a hangup.
	env --default-signal=HUP "$PIDSPACE" --root "$STATE" "$@" <&0 3>&- &
	PIDS+=($!)
}

# wait_for COMMAND...: until it succeeds, with a deadline.
wait_for() {
	local end=$((SECONDS + PIDSPACE_DEADLINE))
	until "$@"; do
		if ((SECONDS >= end)); then
			echo "not within $PIDSPACE_DEADLINE s: $*"
			return 1
		fi
		sleep 0.02
	done
}

is_state() {
	[[ $(pidspace state "$1" -f json 2>/dev/null) == *"\"state\": \"$2\""* ]] ||
		[[ $(pidspace state "$1" -f json 2>/dev/null) == *"\"state\":\"$2\""* ]]
}

has_process() { # NAME PID
	pidspace pid "$1" "$2" >/dev/null 2>&1
}

log_has() { # NAME TEXT
	[[ $(pidspace log "$1" 2>/dev/null) == *"$2"* ]]
}

file_has() { # FILE TEXT
	[[ -e $1 && $(<"$1") == *"$2"* ]]
}

# json EXPRESSION: evaluates Python on the JSON on stdin, called j.
json() {
	python3 -c 'import json, sys; j = json.load(sys.stdin); r = eval(sys.argv[1]); print(r if isinstance(r, str) else json.dumps(r))' "$1"
}

gone() { # host pid
	! kill -0 "$1" 2>/dev/null || [[ $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) == Z* ]]
}

is_root() {
	[[ $(id -u) == 0 ]]
}

# A container that waits for signals: TERM ends it with 9, USR1 writes a line.
steady() { # NAME [OPTION...]
	local name=$1
	shift
	pidspace run -d "$@" "$name" -- sh -c 'trap "exit 9" TERM; trap "echo usr1" USR1; echo up
		while :; do sleep 1000 & wait $!; done'
	wait_for log_has "$name" up
}

# fails STATUS CODE COMMAND...: ends with STATUS, and the last line of stderr says CODE.
fails() {
	local status=$1 code=$2
	shift 2
	run -"$status" --separate-stderr "$@"
	echo "stderr: $stderr"
	[[ $stderr == "pidspace: "*"($code)"* ]]
}
