# bats file_tags=space
load setup.bash

commands() {
	"$PIDSPACE" --help | sed -nE 's/^  ([a-z]+) +[A-Z].*/\1/p'
}

options() { # COMMAND: its long options
	"$PIDSPACE" "$1" --help | grep -oE '^ +(-[a-zA-Z], )?--[a-z-]+' | grep -oE -- '--[a-z-]+'
}

@test "help names every command, and goes to stdout" {
	run -0 --separate-stderr pidspace --help
	[[ -z $stderr ]]
	for c in run exec ps list state kill pause resume wait delete log pid check checkpoint restore \
		inspect verify; do
		[[ $output == *"  $c "* ]]
	done
	[[ $(commands | wc -l) == 17 ]]
}

@test "every command has help, in two ways and without a state directory" {
	for c in $(commands); do
		run -0 pidspace "$c" --help
		[[ $output == "usage: pidspace $c "* ]]
		one=$output
		run -0 pidspace help "$c"
		[[ $output == "$one" ]]
	done
	[[ ! -e $STATE ]]
}

@test "the version is a number" {
	run -0 pidspace --version
	[[ $output =~ ^pidspace\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
}

@test "what is wrong with the command line is said on stderr, with status 2" {
	fails 2 E_USAGE pidspace
	fails 2 E_USAGE pidspace bogus
	fails 2 E_USAGE pidspace --bogus
	fails 2 E_USAGE pidspace help bogus
	fails 2 E_USAGE pidspace help run exec
	fails 2 E_USAGE pidspace list --bogus
	[[ $stderr == *"--bogus"* && -z $output ]]
	fails 2 E_USAGE pidspace list extra
	fails 2 E_USAGE pidspace list -f xml
	fails 2 E_USAGE pidspace list --quiet=yes
	fails 2 E_USAGE pidspace ps -x
	[[ $stderr == *"-x"* ]]
	fails 2 E_USAGE pidspace ps -o pid,bogus
	[[ $stderr == *"'bogus'"* ]]
	fails 2 E_USAGE pidspace ps -o pid,pid
	fails 2 E_USAGE pidspace ps -o ""
	fails 2 E_USAGE pidspace state
	fails 2 E_USAGE pidspace state one two
	fails 2 E_USAGE pidspace kill
	fails 2 E_USAGE pidspace kill -s BOGUS x
	fails 2 E_USAGE pidspace kill -s 65 x
	fails 2 E_USAGE pidspace kill -s RTMIN+99 x
	fails 2 E_USAGE pidspace kill x 0
	fails 2 E_USAGE pidspace kill x 1x
	fails 2 E_USAGE pidspace kill x -- -1
	fails 2 E_USAGE pidspace kill -a x 1
	fails 2 E_USAGE pidspace pause
	fails 2 E_USAGE pidspace wait
	fails 2 E_USAGE pidspace delete
	fails 2 E_USAGE pidspace log
	fails 2 E_USAGE pidspace pid x
	fails 2 E_USAGE pidspace pid --host 0
	fails 2 E_USAGE pidspace pid --host 1 x
	fails 2 E_USAGE pidspace run
	fails 2 E_USAGE pidspace run x
	fails 2 E_USAGE pidspace run x --
	fails 2 E_USAGE pidspace run --pids=bogus x -- true
	fails 2 E_USAGE pidspace run --pid-max 10 x -- true
	fails 2 E_USAGE pidspace run --env =v x -- true
	fails 2 E_USAGE pidspace exec x
	fails 2 E_USAGE pidspace checkpoint x
	fails 2 E_USAGE pidspace checkpoint x --image
	fails 2 E_USAGE pidspace checkpoint --image f
	for how in gzip none:1 lz4: lz4:0 lz4:13 lz4:fast zstd:20 zstd:-1 lz zstd4; do
		fails 2 E_USAGE pidspace checkpoint x --image f --compress $how
	done
	fails 2 E_USAGE pidspace restore
	fails 2 E_USAGE pidspace restore --image f --files maybe
	fails 2 E_USAGE pidspace restore --image f --external key
	fails 2 E_USAGE pidspace inspect
	fails 2 E_USAGE pidspace verify
	[[ ! -e $STATE ]]
}

@test "every command that takes a name says that there is no such container" {
	for c in state kill pause resume wait delete log check ps "pid x 1:" "exec x -- true:" \
		"checkpoint x --image f:"; do
		case $c in
		*:) c=${c%:} ;;
		*) c="$c x" ;;
		esac
		fails 125 E_NO_CONTAINER pidspace $c
		[[ $stderr == *x* ]]
	done
	[[ ! -e f && ! -e f.partial ]]
}

@test "a state directory that others may write is refused" {
	mkdir "$STATE"
	chmod 777 "$STATE"
	fails 125 E_STATE_DIR pidspace list
	chmod 700 "$STATE"
	run -0 pidspace list -q
	[[ -z $output ]]
}

@test "a full disk is noticed" {
	[[ -c /dev/full ]] || skip "no /dev/full"
	run -125 --separate-stderr bash -c '"$PIDSPACE" --help >/dev/full'
	[[ $stderr == *E_OUTPUT* ]]
}

@test "check says what the host offers" {
	run -0 pidspace check
	[[ ${lines[0]} == FEATURE*HERE*SINCE*"WITHOUT IT" ]]
	n=$((${#lines[@]} - 1))
	[[ $output == *pidfd* ]]
	[[ $(pidspace check -f json | json 'len(j)') == "$n" ]]
	[[ $(pidspace check -f json | json 'all(isinstance(x["present"], bool) and x["name"] for x in j)') == true ]]
}

@test "the manual has every command with every option, and renders without warnings" {
	man=$BATS_TEST_DIRNAME/../../man
	[[ -e $man/pidspace.1 ]]
	for c in $(commands); do
		grep -q "pidspace..-$c (1)\|pidspace.-$c (1)" "$man/pidspace.1"
		page=$(sed 's/\\-/-/g; s/\\f[BIR]//g' "$man/pidspace-$c.1")
		for o in $(options "$c"); do
			echo "$c $o"
			grep -qE "(^|, )$o( |$)" <<<"$page"
		done
		# and none that is not there
		for o in $(sed -n '/^.SH OPTIONS/,/^.SH EXIT/p' <<<"$page" |
			grep -oE '^(-[a-zA-Z], )?--[a-z-]+' | grep -oE -- '--[a-z-]+'); do
			echo "manual: $c $o"
			[[ $o == --help ]] || options "$c" | grep -qx -- "$o"
		done
	done
	if command -v man >/dev/null; then
		for page in "$man"/*.1; do
			run -0 --separate-stderr env LC_ALL=C.UTF-8 MANWIDTH=80 man -l --warnings=w "$page"
			echo "$page: $stderr"
			[[ -z $stderr ]]
		done
	fi
}

# complete WORD...: what completion offers for the last word
complete_words() {
	PATH=$(dirname "$PIDSPACE"):$PATH bash -c '
		. "$0"
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
		_pidspace
		echo "${COMPREPLY[*]}"' "$BATS_TEST_DIRNAME/../../completions/pidspace.bash" "$@"
}

@test "completion knows commands, options, values and containers" {
	[[ $(complete_words pidspace ch) == "check checkpoint" ]]
	for c in $(commands); do
		for o in $(options "$c"); do
			[[ " $(complete_words pidspace "$c" --) " == *" $o "* ]]
		done
	done
	[[ $(complete_words pidspace checkpoint x --compress "") == "none lz4 zstd" ]]
	[[ $(complete_words pidspace restore --files = t) == truncate ]]
	[[ $(complete_words pidspace run --pids "") == "space virtual" ]]
	[[ $(complete_words pidspace kill -s KI) == SIGKILL ]]
	[[ $(complete_words pidspace list -f j) == json ]]
	[[ $(complete_words pidspace ps -o pid,h) == pid,host ]]
	: >some.img
	[[ $(complete_words pidspace restore --image so) == some.img ]]
	[[ $(complete_words pidspace verify so) == some.img ]]
	steady web
	[[ $(complete_words pidspace --root "$STATE" state w) == web ]]
	[[ $(complete_words pidspace --root "$STATE" ps --show-container "") == web ]]
	[[ $(complete_words pidspace --root "$STATE" delete -f "") == web ]]
	[[ -z $(complete_words pidspace --root "$STATE" state x) ]]
}
