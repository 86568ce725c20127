# bats file_tags=space
load setup.bash

# Holds 48 MiB of random memory; a line on its log when asked (USR1) says whether all of it is as it was.
# Children that it forks then look as well.
holder() { # NAME [huge]: in huge pages
	pidspace run -d "$1" -- python3 -uc 'import hashlib, mmap, os, signal, sys
if sys.argv[1:]:
    data = mmap.mmap(-1, 64 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    data.madvise(14)  # MADV_HUGEPAGE
    data[:] = os.urandom(len(data))
else:
    data = bytearray(os.urandom(48 << 20))
want = hashlib.sha256(data).digest()
def look(*_):
    child = os.fork()
    whole = hashlib.sha256(data).digest() == want
    if not child:
        os._exit(not whole)
    print("whole" if whole and os.waitpid(child, 0)[1] == 0 else "WRONG")
signal.signal(signal.SIGUSR1, look)
print("up")
while True:
    signal.pause()' "${@:2}"
	wait_for log_has "$1" up
}

answers() { # NAME: lines that say what it saw
	pidspace log "$1" | grep -c '^whole$\|^WRONG$'
}

is_whole() { # NAME
	local n
	n=$(answers "$1") || true
	more() { (($(answers "$1") > n)); }
	pidspace kill -s USR1 "$1"
	wait_for more "$1"
	! log_has "$1" WRONG
}

arrived() { # NAME
	[[ $(pidspace state "$1" -f json) != *memory_arriving* ]]
}

# Exchanges a byte in the middle: there are pages, which no restore needs at once.
damage() { # FILE
	python3 - "$1" <<-'PY'
	import sys
	with open(sys.argv[1], "r+b") as f:
	    f.seek(0, 2)
	    at = f.tell() // 2
	    f.seek(at)
	    byte = f.read(1)[0]
	    f.seek(at)
	    f.write(bytes([byte ^ 4]))
	PY
}

# An ordinary user is refused, as the first test shows: the others are root's alone.

@test "without the right to it it is refused before anything is made" {
	local without=()
	is_root && without=(setpriv --bounding-set=-sys_ptrace --inh-caps=-all)
	holder box
	pidspace checkpoint box --image box.img
	fails 125 E_LAZY "${without[@]}" "$PIDSPACE" --root "$STATE" restore -d --lazy --image box.img
	[[ -z $(ls "$STATE") ]]
	pidspace restore -d --image box.img
	is_whole box
}

@test "a container whose memory comes later is whole, whatever the compression" {
	is_root || return 0
	for how in none lz4 zstd; do
		holder box
		pidspace checkpoint box --image box.img --compress $how
		run -0 --separate-stderr pidspace restore -d --lazy --image box.img
		[[ -z $output && -z $stderr ]]
		is_whole box
		wait_for arrived box
		is_whole box
		pidspace delete -f box
	done
}

@test "an image that was renamed or removed meanwhile is read on" {
	is_root || return 0
	holder box
	pidspace checkpoint box --image box.img
	pidspace restore -d --lazy --image box.img
	echo something else >new
	mv new box.img
	is_whole box
	wait_for arrived box
	is_whole box
}

@test "an image from a pipe, or written to one, is refused before anything is made" {
	is_root || return 0
	holder box
	pidspace checkpoint box --image - | cat >box.img
	fails 125 E_IMAGE_INDEX pidspace restore -d --lazy --image box.img
	fails 125 E_IMAGE_INDEX pidspace restore -d --lazy --image - < <(cat box.img)
	[[ -z $(ls "$STATE") ]]
	pidspace restore -d --image box.img
	is_whole box
}

@test "an index that is cut off or damaged is refused before anything is made" {
	is_root || return 0
	holder box
	pidspace checkpoint box --image box.img
	cp box.img whole.img
	truncate -s -1000 box.img
	fails 125 E_IMAGE_INDEX pidspace restore -d --lazy --image box.img
	cp whole.img box.img
	printf x | dd of=box.img bs=1 seek=$(($(stat -c %s box.img) - 40)) conv=notrunc status=none
	fails 125 E_IMAGE_CORRUPT pidspace restore -d --lazy --image box.img
	[[ -z $(ls "$STATE") ]]
	pidspace restore -d --lazy --image whole.img
	is_whole box
}

@test "a page that turns out to be damaged kills the container, and it is said why" {
	is_root || return 0
	holder box
	pidspace checkpoint box --image box.img
	damage box.img
	pidspace restore -d --lazy --image box.img
	run -137 pidspace wait box
	log_has box E_LAZY_LOST
	log_has box E_IMAGE_CORRUPT
	! log_has box WRONG
	[[ $(pidspace state box) == *"reason:"*"does not match its checksum"* ]]
	[[ $(pidspace state box -f json | json 'j["reason"]') == *checksum* ]]
	# Without --lazy nothing would have run.
	pidspace delete box
	fails 125 E_IMAGE_CORRUPT pidspace restore -d --image box.img
}

@test "what any restore refuses is refused" {
	is_root || return 0
	pidspace run -d box -- sh -c 'exec 5>>"$0"; echo up; while :; do sleep 1000; done' "$TMP/file"
	wait_for log_has box up
	pidspace checkpoint box --image box.img
	echo more >>file
	run -125 --separate-stderr pidspace restore -d --lazy --image box.img
	[[ $stderr == *E_FILE_CHANGED* ]]
	[[ -z $(ls "$STATE") ]]
	pidspace restore -d --lazy --files truncate --image box.img
	is_state box running
}

@test "in the foreground the command itself says that memory was lost" {
	is_root || return 0
	holder box
	pidspace checkpoint box --image box.img
	damage box.img
	fails 125 E_LAZY_LOST pidspace restore --lazy --image box.img
}

@test "a checkpoint waits for memory that is still to come" {
	is_root || return 0
	holder box
	pidspace checkpoint box --image box.img
	for i in 1 2 3; do
		pidspace restore -d --lazy --image box.img
		pidspace check box
		pidspace checkpoint box --image box.img
	done
	pidspace verify box.img
	pidspace restore -d --image box.img
	is_whole box
}

@test "commands work while memory arrives" {
	is_root || return 0
	holder box
	pidspace checkpoint box --image box.img
	pidspace restore -d --lazy --image box.img
	pidspace pause box
	is_state box paused
	pidspace ps box | grep -q python3
	wait_for arrived box
	pidspace resume box
	is_whole box
	pidspace exec box -- true
	pidspace delete -f box
	pidspace restore -d --lazy --image box.img
	pidspace exec box -- true
	pidspace kill -s KILL box
	run -137 pidspace wait box
}

one_thread() { # NAME
	[[ $(ls "/proc/$(pidspace pid "$1" 1)/task" | wc -l) -eq 1 ]]
}

# A thread that moves them is lent to the process meanwhile; commands stop it with all others.
@test "huge pages arrive whole while commands work, and nothing of it is left" {
	is_root || return 0
	holder box huge
	pidspace checkpoint box --image box.img
	for what in true "pidspace check box" "pidspace exec box -- true" "pidspace pause box"; do
		pidspace restore -d --lazy --image box.img
		$what
		[[ $what != *pause* ]] || pidspace resume box
		is_whole box
		wait_for arrived box
		is_whole box
		one_thread box
		pidspace delete -f box
	done
	pidspace restore -d --lazy --image box.img
	pidspace checkpoint box --image again.img
	pidspace restore -d --image again.img
	is_whole box
}

@test "a container whose monitor dies while memory arrives goes on" {
	is_root || return 0
	holder box
	pidspace checkpoint box --image box.img
	pidspace restore -d --lazy --image box.img
	kill -KILL "$(pidspace state box -f json | json 'j["monitor_host_pid"]')"
	is_whole box
	pidspace checkpoint box --image again.img
	pidspace restore -d --image again.img
	is_whole box
}

@test "nobody is left behind once all memory is there" {
	is_root || return 0
	holder box
	pidspace checkpoint box --image box.img
	pidspace restore -d --lazy --image box.img
	server=$(json 'j["page_server_host_pid"]' <"$STATE/box/state.json")
	wait_for arrived box
	wait_for gone "$server"
	is_whole box
	# Its memory is ordinary again: no mapping is registered.
	! grep -q '^VmFlags:.* um' "/proc/$(pidspace pid box 1)/smaps"
}
